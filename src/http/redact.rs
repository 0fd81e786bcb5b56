//! Removes user names and passwords from texts before they are printed or logged.

const HIDDEN: &str = "…";

/// How to write an address, for error messages. These are texts of the program, which hide nothing.
pub const POSTGRES_FORM: &str = "write postgres://user:password@host:5432/name, and in the user's name and password %20 for a space, %40 for @, %3A for :, %2F for /, %3F for ? and %23 for #";
pub const PROXY_FORM: &str = "write http://host:port or http://user:password@host:port";

/// Replaces user info and parameters of URLs in a text.
#[must_use]
pub fn redact(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(redact_line).collect();
    lines.join("\n")
}

fn redact_line(line: &str) -> String {
    for form in [POSTGRES_FORM, PROXY_FORM] {
        if let Some((before, after)) = line.rsplit_once(form) {
            return format!("{}{form}{}", redact_line(before), redact_line(after));
        }
    }
    let mut line = line.to_owned();
    let schemes = ["://", "postgres:", "postgresql:", "sqlite:"];
    let starts = schemes
        .iter()
        .filter_map(|scheme| Some(line.find(scheme)? + scheme.len()));
    let Some(start) = starts.max() else {
        return line;
    };
    // A password may contain any character, also `@`, `/` and spaces: everything up to the last `@` is removed.
    if let Some(end) = line.rfind('@')
        && start < end
    {
        line.replace_range(start..end, HIDDEN);
    }
    if let Some(query) = line[start..].find('?') {
        let query = start + query + 1;
        let end = line[query..].find(['\'', '"', '`']);
        line.replace_range(query..end.map_or(line.len(), |end| query + end), HIDDEN);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_urls_are_redacted() {
        for (text, shown) in [
            ("postgres://u:p@h/x is wrong", "postgres://…@h/x is wrong"),
            ("'postgres://u:p@s/s w@h/x'", "'postgres://…@h/x'"),
            ("postgres:u:p@h/x", "postgres:…@h/x"),
            (
                &format!("postgres://u:p@h/x: {PROXY_FORM} (set by the flag)"),
                &format!("postgres://…@h/x: {PROXY_FORM} (set by the flag)"),
            ),
            ("https://id.example.org/keys", "https://id.example.org/keys"),
            (
                "'postgres://h/x?password=p w&user=u' is",
                "'postgres://h/x?…' is",
            ),
            (
                "write to somebody@example.org",
                "write to somebody@example.org",
            ),
        ] {
            assert_eq!(redact(text), shown);
        }
    }
}
