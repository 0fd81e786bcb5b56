//! Removes user names and passwords from texts before they are printed or logged.

const HIDDEN: &str = "…";

/// Replaces user info and parameters of URLs in a text.
#[must_use]
pub fn redact(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(redact_line).collect();
    lines.join("\n")
}

fn redact_line(line: &str) -> String {
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
    fn passwords_in_addresses_are_hidden() {
        for (text, shown) in [
            ("postgres://u:p@h/x is wrong", "postgres://…@h/x is wrong"),
            ("'postgres://u:p@s/s w@h/x'", "'postgres://…@h/x'"),
            ("postgres:u:p@h/x", "postgres:…@h/x"),
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
