//! Well-known abusive GraphQL requests.

use std::fmt::Write;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

/// Returns all of them.
pub fn hostile() -> Vec<Hostile> {
    let all = [documents(), searches(), bodies()];
    all.into_iter().flatten().collect()
}

/// An abusive request with its name.
pub struct Hostile {
    pub name: &'static str,
    pub body: Vec<u8>,
    pub headers: Vec<(&'static str, &'static str)>,
}

fn document(name: &'static str, document: &str) -> Hostile {
    with_variables(name, document, &json!({}))
}

fn with_variables(name: &'static str, document: &str, variables: &Value) -> Hostile {
    let body = json!({ "query": document, "variables": variables });
    raw(name, body.to_string())
}

fn raw(name: &'static str, body: impl Into<Vec<u8>>) -> Hostile {
    Hostile {
        name,
        body: body.into(),
        headers: vec![("content-type", "application/json")],
    }
}

/// Concatenates the texts of the numbers below a count.
pub fn each(count: usize, text: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut all, number| {
        write!(all, " {}", text(number)).unwrap();
        all
    })
}

/// Returns a document whose fragments each spread the next one `times` times, and the last one `last`.
fn fragments(count: usize, times: usize, last: &str) -> String {
    let chain = each(count, |index| {
        let next = format!(" ...F{}", index + 1).repeat(times);
        format!("fragment F{index} on Topic {{{next} }}")
    });
    format!(
        "{{ topic(by: {{ code: \"T-1\" }}) {{ ...F0 }} }} {chain} fragment F{count} on Topic {{ {last} }}"
    )
}

/// Returns fields that lead from a topic to its committees and back, nested this often.
fn round_and_round(times: usize) -> String {
    let inner = "{ committees { committee { topics { nodes ".repeat(times);
    format!(
        "{{ topics {{ nodes {inner} {{ id }} {} }} }}",
        "} } } }".repeat(times)
    )
}

#[expect(clippy::too_many_lines, reason = "a list")]
fn documents() -> Vec<Hostile> {
    let fan = "{ code code code code code code code code code code }";
    let nested = |open: &str, close: &str, times: usize| open.repeat(times) + &close.repeat(times);
    vec![
        document("a chain of fragments", &fragments(1000, 1, "code")),
        document("a fan of fragments", &fragments(30, 2, "code")),
        document("a wide fan of fragments", &fragments(5, 100, "code")),
        document("a fan within the limits", &fragments(3, 9, "code")),
        document(
            "fragments that spread themselves",
            &fragments(10, 2, "...F0"),
        ),
        document(
            "fragments in many cycles",
            &format!(
                "{{ viewer {{ roles }} }} {}",
                each(400, |index| {
                    format!(
                        "fragment F{index} on Topic {{ ...F{} ...F{} }}",
                        (index + 1) % 400,
                        (index * 7) % 400
                    )
                })
            ),
        ),
        document(
            "every fragment spreads every other",
            &format!(
                "{{ topic(by: {{ code: \"x\" }}) {{ ...F0 }} }} {}",
                each(60, |index| {
                    format!(
                        "fragment F{index} on Topic {{ {} }}",
                        each(60, |other| format!("...F{other}"))
                    )
                })
            ),
        ),
        document(
            "10,000 aliases",
            &format!(
                "{{ viewer {{ {} }} }}",
                each(10_000, |index| format!("a{index}: party"))
            ),
        ),
        document(
            "10,000 fields of the root",
            &format!(
                "{{ {} }}",
                each(10_000, |index| format!("a{index}: viewer {{ party }}"))
            ),
        ),
        document(
            "100 aliases of a whole list",
            &format!(
                "{{ {} }}",
                each(100, |index| format!(
                    "a{index}: topics(first: 100) {{ nodes {fan} }}"
                ))
            ),
        ),
        document(
            "a field 10,000 times",
            &format!("{{ viewer {{ {} }} }}", "party ".repeat(10_000)),
        ),
        document(
            "a field 3,000 times",
            &format!("{{ viewer {{ {} }} }}", "party ".repeat(3_000)),
        ),
        document(
            "1,900 fields that might conflict",
            &format!(
                "{{ topic(by: {{ code: \"T-1\" }}) {{ {} }} }}",
                "committees { role } ".repeat(950)
            ),
        ),
        document(
            "inline fragments that might conflict",
            &format!(
                "{{ topic(by: {{ code: \"T-1\" }}) {{ {} }} }}",
                "... { committees { committee { id code } } } ".repeat(330)
            ),
        ),
        document(
            "fields that do conflict",
            &format!(
                "{{ topic(by: {{ code: \"T-1\" }}) {{ {} }} }}",
                each(90, |index| format!(
                    "a: actionItems(first: {index}) {{ totalCount }}"
                ))
            ),
        ),
        document(
            "directives",
            &format!(
                "{{ viewer {{ party {} }} }}",
                "@skip(if: false) ".repeat(3_000)
            ),
        ),
        document(
            "unknown directives",
            &format!(
                "{{ viewer {{ party {} }} }}",
                each(2_000, |index| format!("@d{index}"))
            ),
        ),
        document(
            "directives within the limit",
            &format!(
                "{{ viewer {{ party {} }} }}",
                each(99, |index| format!("@d{index}"))
            ),
        ),
        document(
            "variables",
            &format!(
                "query({}) {{ viewer {{ party }} }}",
                each(2_000, |index| format!("$v{index}: Int"))
            ),
        ),
        document(
            "arguments",
            &format!(
                "{{ topics({}) {{ totalCount }} }}",
                each(2_000, |index| format!("a{index}: 1"))
            ),
        ),
        document(
            "an argument many times",
            &format!(
                "{{ topics({}) {{ totalCount }} }}",
                "first: 1 ".repeat(2_000)
            ),
        ),
        document(
            "a key many times",
            &format!(
                "{{ topics(filter: {{ {} }}) {{ totalCount }} }}",
                "text: \"x\" ".repeat(2_000)
            ),
        ),
        document(
            "operations",
            &each(900, |index| {
                format!("query Q{index} {{ viewer {{ party }} }}")
            }),
        ),
        document(
            "operations that share fragments",
            &format!(
                "{} fragment F on Viewer {{ {} }}",
                each(300, |index| format!(
                    "query Q{index} {{ viewer {{ ...F }} }}"
                )),
                "party ".repeat(300)
            ),
        ),
        document(
            "unused fragments",
            &format!(
                "{{ viewer {{ party }} }} {}",
                each(900, |index| format!(
                    "fragment F{index} on Viewer {{ party }}"
                ))
            ),
        ),
        document("nested 10,000 deep", &nested("{ a", "}", 10_000)),
        document("nested 2,000 deep", &nested("{ a", "}", 2_000)),
        document(
            "inline fragments 3,000 deep",
            &format!(
                "{{ viewer {} party {} }}",
                "{ ... ".repeat(3_000),
                "}".repeat(3_000)
            ),
        ),
        document(
            "lists 9,000 deep",
            &format!(
                "{{ topics(first: {}) {{ totalCount }} }}",
                nested("[", "]", 4_500)
            ),
        ),
        document(
            "objects 3,000 deep",
            &format!(
                "{{ topics(filter: {}) {{ totalCount }} }}",
                "{ a: ".repeat(3_000) + "1" + &"}".repeat(3_000)
            ),
        ),
        document(
            "types 4,000 deep",
            &format!(
                "query($a: {}) {{ viewer {{ party }} }}",
                "[".repeat(4_000) + "Int" + &"]".repeat(4_000)
            ),
        ),
        document("round and round", &round_and_round(4)),
        document("round and round too often", &round_and_round(100)),
        document(
            "lists within lists",
            "{ topics(first: 100) { nodes { actionItems(first: 100) { nodes { topic { actionItems(first: 100) { nodes { id } } } } } } } }",
        ),
        document(
            "introspection within introspection",
            &format!(
                "{{ __schema {{ types {} }} }}",
                "{ fields { type ".repeat(8) + "{ name }" + &"} }".repeat(8)
            ),
        ),
        document(
            "introspection of many names",
            &format!(
                "{{ __schema {{ types {{ {} }} }} }}",
                each(100, |index| format!("a{index}: name fields {{ name }}"))
            ),
        ),
        document(
            "10,000 mutations",
            &format!(
                "mutation {{ {} }}",
                each(10_000, |index| format!("a{index}: __typename"))
            ),
        ),
        document(
            "a long text",
            &format!(
                "{{ topic(by: {{ code: \"{}\" }}) {{ code }} }}",
                "x".repeat(900_000)
            ),
        ),
        document(
            "a long comment",
            &format!("{{ viewer {{ party }} }} #{}", "x".repeat(900_000)),
        ),
        document("a long name", &format!("{{ {} }}", "x".repeat(900_000))),
        document(
            "a long number",
            &format!(
                "{{ topics(first: {}) {{ totalCount }} }}",
                "9".repeat(900_000)
            ),
        ),
        document("blanks", &" ".repeat(900_000)),
        document("commas", &",".repeat(900_000)),
        document("line breaks", &"\n".repeat(900_000)),
        document("quotes", &"\"".repeat(900_000)),
        document(
            "a block text of quotes",
            &("{ topic(by: { code: \"\"\"".to_owned() + &"\\\"\"\"".repeat(200_000)),
        ),
        document("brackets", &"{".repeat(900_000)),
        document("dots", &".".repeat(900_000)),
        document("letters of no alphabet", &"\u{1F600}".repeat(200_000)),
        document(
            "escapes",
            &format!(
                "{{ topic(by: {{ code: \"{}\" }}) {{ code }} }}",
                "\\uD83D\\uDE00".repeat(50_000)
            ),
        ),
        document(
            "descriptions",
            &"\"x\" query Q { viewer { party } } ".repeat(900),
        ),
    ]
}

fn searches() -> Vec<Hostile> {
    let search = "query($text: String!) { search(text: $text, first: 100) { totalCount edges { highlights { field } } } }";
    let letter = |number: usize| char::from(b"abcdefghijklmnopqrstuvwxyz"[number % 26]);
    vec![
        with_variables(
            "a search for 160 words of two letters",
            search,
            &json!({ "text": each(160, |number| format!("{}{}", letter(number / 26), letter(number))) }),
        ),
        with_variables(
            "a search for a phrase whose last word is a prefix of one digit",
            search,
            &json!({ "text": "x.1" }),
        ),
        with_variables(
            "a search for codes in one",
            search,
            &json!({ "text": "a-1.".repeat(125) }),
        ),
        with_variables(
            "a search for a long phrase of common words",
            search,
            &json!({ "text": format!("\"{}\"", "of the ".repeat(71)) }),
        ),
        with_variables(
            "a search for a book",
            search,
            &json!({ "text": "post ".repeat(100_000) }),
        ),
        raw(
            "a search for half a character",
            "{\"query\":\"{ search(text: \\\"\\ud800\\\") { totalCount } }\"}",
        ),
    ]
}

fn bodies() -> Vec<Hostile> {
    let sized = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    let filter = "query($filter: TopicFilter) { topics(filter: $filter) { totalCount } }";
    let deep =
        |open: &str, close: &str, times: usize| open.repeat(times) + "1" + &close.repeat(times);
    let mut zip = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..100 {
        zip.write_all(&vec![b' '; 1_000_000]).unwrap();
    }
    let mut bomb = raw("100 MB in 100 kB", zip.finish().unwrap());
    bomb.headers.push(("content-encoding", "gzip"));
    let query = "{\"query\":\"query($ids: [ID!]!) { nodes(ids: $ids) { id } }\",\"variables\":";
    vec![
        bomb,
        raw("10 MB", vec![b' '; 10_000_000]),
        raw(
            "10 MB of a text",
            json!({ "query": "x".repeat(10_000_000) }).to_string(),
        ),
        raw("brackets", "[".repeat(900_000)),
        raw("braces", "{\"a\":".repeat(150_000)),
        raw("numbers", format!("{{\"query\":{}}}", "9".repeat(900_000))),
        raw(
            "lists 100,000 deep in variables",
            format!("{query}{{\"ids\":{}}}}}", deep("[", "]", 100_000)),
        ),
        raw(
            "lists 100 deep in variables",
            format!("{query}{{\"ids\":{}}}}}", deep("[", "]", 100)),
        ),
        raw(
            "objects 100 deep in variables",
            format!("{query}{}}}", deep("{\"ids\":", "}", 100)),
        ),
        raw(
            "a key many times",
            format!(
                "{{{}\"query\":\"{{ viewer {{ party }} }}\"}}",
                "\"query\":\"x\",".repeat(50_000)
            ),
        ),
        with_variables("200,000 ids", sized, &json!({ "ids": vec!["x"; 200_000] })),
        with_variables(
            "300,000 nulls",
            sized,
            &json!({ "ids": vec![Value::Null; 150_000] }),
        ),
        with_variables(
            "150,000 empty lists",
            sized,
            &json!({ "ids": vec![json!([]); 150_000] }),
        ),
        with_variables(
            "100,000 words of an enum",
            filter,
            &json!({ "filter": { "status": vec!["NONE"; 100_000] } }),
        ),
        with_variables(
            "100,000 unknown keys",
            filter,
            &json!({ "filter": (0..50_000).map(|number| (format!("k{number}"), json!(1))).collect::<serde_json::Map<_, _>>() }),
        ),
        with_variables(
            "100,000 unused variables",
            "{ viewer { party } }",
            &Value::Object(
                (0..50_000)
                    .map(|number| (format!("k{number}"), json!(1)))
                    .collect(),
            ),
        ),
        with_variables(
            "a long text to search for",
            filter,
            &json!({ "filter": { "text": "%_x".repeat(300_000) } }),
        ),
        with_variables(
            "a hash that is a book",
            "{ viewer { party } }",
            &json!("x".repeat(500_000)),
        ),
        raw("no UTF-8", b"{\"query\":\"\xff\xfe\"}".to_vec()),
        raw("half a character", "{\"query\":\"\\ud800\"}"),
        raw("NUL", "{\"query\":\"{ viewer { party\\u0000 } }\"}"),
    ]
}
