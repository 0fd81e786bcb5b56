//! File formats of imports: what is accepted, and the one-line errors of what is not.

use crate::import_export::imports::{ITU, arguments, import, refused};
use crate::support::binary::Workspace;
use crate::support::harness::Server;

on_both_databases! {
    csv_files_of_spreadsheet_programs_are_accepted
    the_table_of_the_documentation_is_imported
    standard_input_and_tsv_files_are_accepted
    a_file_with_an_unclosed_quote_is_refused_and_nothing_is_stored
    invalid_text_is_refused_in_every_encoding
    line_numbers_are_right_for_every_line_ending
    files_that_are_not_tables_are_refused_with_one_line
    errors_name_line_and_record_and_unknown_columns_once
    an_export_that_fails_leaves_the_earlier_file
    read_only_commands_create_no_database
}

const HEADER: &str = "kind,organization,approvedOn,number,title";
const TYPE: [&str; 2] = ["--type", "Publication"];

fn row(number: &str) -> String {
    format!("RECOMMENDATION,ITU-T,2020-01-02,{number},A title")
}

fn utf_16(text: &str, encode: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let text = format!("\u{feff}{text}");
    text.encode_utf16().flat_map(encode).collect()
}

async fn csv_files_of_spreadsheet_programs_are_accepted(server: &Server) {
    let workspace = Workspace::new();
    let table = |separator: &str, end: &str, numbers: &[&str]| {
        let rows = numbers.iter().map(|number| row(number));
        let lines: Vec<String> = [HEADER.to_owned()].into_iter().chain(rows).collect();
        lines.join(end).replace(',', separator) + end
    };
    let files: [(&str, Vec<u8>); 10] = [
        ("comma.csv", table(",", "\n", &["A.1"]).into()),
        (
            "semicolon.csv",
            format!("\u{feff}{}", table(";", "\r\n", &["A.2"])).into(),
        ),
        ("tab.csv", table("\t", "\r", &["A.3"]).into()),
        (
            "excel.csv",
            format!("sep=;\r\n{}", table(";", "\r\n", &["A.10"])).into(),
        ),
        (
            "utf-16-le.csv",
            utf_16(&table("\t", "\r\n", &["A.4"]), u16::to_le_bytes),
        ),
        (
            "utf-16-be.csv",
            utf_16(&table(",", "\n", &["A.5"]), u16::to_be_bytes),
        ),
        (
            "separators.csv",
            format!("{}\n,,,,\n,,,,\n", table(",", "\n", &["A.6"])).into(),
        ),
        (
            "blanks.csv",
            format!("{HEADER}\n RECOMMENDATION , ITU-T , 2020-01-02 , A.7 , one \n").into(),
        ),
        ("no-end.csv", format!("{HEADER}\n{}", row("A.8")).into()),
        (
            "quotes.csv",
            format!("{HEADER}\nOTHER,ITU-T,,A.9,\"a, \"\"b\"\",\r\nc\"\n").into(),
        ),
    ];
    for (name, content) in files {
        workspace.write(name, content);
        let printed = import(&workspace, server, ITU, &[&[name], &TYPE[..]].concat());
        assert!(
            printed.ends_with("1 Publication created\n"),
            "{name}: {printed}"
        );
    }
    let document = "{ publication(by: { number: \"A.9\" }) { title } }";
    let data = server
        .anonymous()
        .data(document, serde_json::json!({}))
        .await;
    assert_eq!(data["publication"]["title"], "a, \"b\",\nc");
}

async fn the_table_of_the_documentation_is_imported(server: &Server) {
    let document = include_str!("../../../docs/import-export.md");
    let (_, example) = document.split_once("as `publications.csv`:\n\n").unwrap();
    let lines = example.lines().map_while(|line| line.strip_prefix("    "));
    let workspace = Workspace::new();
    workspace.write("publications.csv", lines.collect::<Vec<_>>().join("\n"));
    let import_it = ["publications.csv", "--type", "Publication"];
    let printed = import(&workspace, server, "UPU", &import_it);
    assert!(printed.ends_with("1 Publication created\n"), "{printed}");
}

async fn standard_input_and_tsv_files_are_accepted(server: &Server) {
    let workspace = Workspace::new();
    let table = |number: &str| format!("{HEADER}\n{}", row(number)).replace(',', "\t");
    workspace.write("piped", table("B.1"));
    let from_input = arguments(
        server,
        ITU,
        &[&["-", "--format", "csv"], &TYPE[..]].concat(),
    );
    let ended = workspace.run_reading(&from_input, "piped");
    assert!(ended.out.ends_with("1 Publication created\n"), "{ended:?}");
    for (name, number) in [("unicode.txt", "B.2"), ("tabs.TSV", "B.3")] {
        workspace.write(name, table(number));
        let printed = import(&workspace, server, ITU, &[&[name], &TYPE[..]].concat());
        assert!(printed.ends_with("1 Publication created\n"), "{printed}");
    }
    workspace.write("table", table("B.4"));
    let (report, _) = refused(&workspace, server, ITU, &[&["table"], &TYPE[..]].concat());
    assert!(
        report.contains("For a table give --format csv."),
        "{report}"
    );
}

async fn a_file_with_an_unclosed_quote_is_refused_and_nothing_is_stored(server: &Server) {
    let workspace = Workspace::new();
    let before = server.history(None, serde_json::json!({})).await;
    let open = format!(
        "{HEADER}\n{}\nOTHER,ITU-T,,B.2,\"two\n{}\n",
        row("B.1"),
        row("B.3")
    );
    let cut = format!(
        "{HEADER}\n{}\nOTHER,ITU-T,,B.2,\"A title that was cut o",
        row("B.1")
    );
    for content in [open, cut] {
        workspace.write("open.csv", content);
        for more in [&[][..], &["--partial"][..]] {
            let arguments = [&["open.csv"], &TYPE[..], more].concat();
            let (_, line) = refused(&workspace, server, ITU, &arguments);
            assert!(
                line.contains("line 3: the file ends within quotes that open in line 3"),
                "{line}"
            );
        }
    }
    assert_eq!(server.history(None, serde_json::json!({})).await, before);
}

async fn invalid_text_is_refused_in_every_encoding(server: &Server) {
    let workspace = Workspace::new();
    let table = format!("{HEADER}\n{}", row("B.9"));
    let mut cut = utf_16(&table, u16::to_le_bytes);
    cut.pop();
    let mut surrogate = utf_16(&table, u16::to_be_bytes);
    surrogate.extend([0xd8, 0]);
    let invalid = [table.as_bytes(), b"\xff"].concat();
    for (name, file, what) in [
        ("cut.csv", cut, "it is not UTF-16 throughout"),
        ("surrogate.csv", surrogate, "it is not UTF-16 throughout"),
        ("invalid.csv", invalid, "1 wrong; nothing was changed"),
    ] {
        workspace.write(name, file);
        let (_, last) = refused(&workspace, server, ITU, &[&[name], &TYPE[..]].concat());
        assert!(last.contains(what), "{name}: {last}");
    }
}

async fn line_numbers_are_right_for_every_line_ending(server: &Server) {
    let workspace = Workspace::new();
    for end in ["\n", "\r\n", "\r"] {
        let lines = [
            HEADER,
            "RECOMMENDATION,ITU-T,2020-01-02,C.1,one",
            "RECOMMENDATION,ITU-T,soon,C.2,two",
            "",
            "RECOMMENDATION,ITU-T,2020-01-02,C.3,three",
            "RECOMMENDATION,ITU-T,later,C.4,four",
        ];
        workspace.write("errors.csv", lines.join(end));
        let (report, _) = refused(
            &workspace,
            server,
            ITU,
            &[&["errors.csv"], &TYPE[..]].concat(),
        );
        let places: Vec<_> = report
            .lines()
            .filter_map(|line| line.split(": ").next())
            .collect();
        assert_eq!(
            places,
            ["errors.csv:3", "errors.csv:6"],
            "{end:?}: {report}"
        );
    }
}

async fn files_that_are_not_tables_are_refused_with_one_line(server: &Server) {
    let workspace = Workspace::new();
    let long = format!("{HEADER}\nOTHER,ITU-T,,D.1,{}\n", "x".repeat(3_000_000));
    let files: [(&str, Vec<u8>, &str); 6] = [
        ("empty.csv", Vec::new(), "nothing in the file"),
        ("book.csv", b"PK\x03\x04rest".to_vec(), "workbook"),
        (
            "latin-1.csv",
            b"number,titl\xe9\n1,2\n".to_vec(),
            "line 1: the header is not written in UTF-8",
        ),
        (
            "twice.csv",
            format!("{HEADER}, title\n").into(),
            "two columns `title`",
        ),
        ("long.csv", long.into(), "longer than"),
        ("empty.jsonl", Vec::new(), "nothing in the file"),
    ];
    for (name, content, expected) in files {
        workspace.write(name, content);
        let (_, line) = refused(&workspace, server, ITU, &[&[name], &TYPE[..]].concat());
        assert!(line.contains(expected), "{name}: {line}");
    }
    workspace.write(
        "twice.jsonl",
        "{\"number\":\"D.2\",\"kind\":\"OTHER\",\"organization\":\"ITU-T\",\"title\":\"one\",\"title\":\"two\"}\n",
    );
    let (report, _) = refused(
        &workspace,
        server,
        ITU,
        &[&["twice.jsonl"], &TYPE[..]].concat(),
    );
    assert!(
        report.contains("twice.jsonl:1: ") && report.contains("`title` twice"),
        "{report}"
    );
}

async fn an_export_that_fails_leaves_the_earlier_file(server: &Server) {
    let workspace = Workspace::new();
    let url = server.database_url();
    workspace.done(&["export", "register.jsonl", "--database-url", url]);
    let before = std::fs::read(workspace.path("register.jsonl")).unwrap();
    let line = workspace.refusal(&["export", "no/such/directory.jsonl", "--database-url", url]);
    assert!(line.contains("the directory no/such: "), "{line}");
    server.sql("alter table note rename to hidden_note").await;
    workspace.refusal(&["export", "register.jsonl", "--database-url", url]);
    assert_eq!(
        std::fs::read(workspace.path("register.jsonl")).unwrap(),
        before
    );
    let files = std::fs::read_dir(workspace.path("")).unwrap();
    let left = files.filter(|file| {
        let name = file.as_ref().unwrap().file_name();
        name.to_string_lossy().contains("tmp")
    });
    assert_eq!(left.count(), 0);
}

async fn read_only_commands_create_no_database(_: &Server) {
    let workspace = Workspace::new();
    workspace.write("records.csv", format!("{HEADER}\n{}\n", row("E.1")));
    let import = [
        "import",
        "records.csv",
        "--type",
        "Publication",
        "--party",
        ITU,
        "--dry-run",
    ];
    workspace.write("export.jsonl", "{\"liaison\":\"export\",\"version\":1}\n");
    for command in [
        &["export"][..],
        &["export", "register.jsonl"],
        &import,
        &["import", "export.jsonl", "--dry-run"],
        &["serve", "--read-only", "--listen", "127.0.0.1:0"],
        &["serve", "--read-only", "--no-migrate"],
    ] {
        let database = ["--database-url", "sqlite:mistyped.db"];
        let line = workspace.refusal(&[command, &database].concat());
        assert!(line.contains("/mistyped.db: name another one"), "{line}");
        assert!(!workspace.path("mistyped.db").exists());
        assert!(!workspace.path("register.jsonl").exists());
    }
}

async fn errors_name_line_and_record_and_unknown_columns_once(server: &Server) {
    let workspace = Workspace::new();
    let table = format!(
        "{HEADER},colour,\n{},,\n{},red,\n{},blue,\nOTHER,ITU-T,soon,F.4,four,,\n",
        row("F.1"),
        row("F.2"),
        row("F.3")
    );
    workspace.write("colour.csv", table);
    let (report, last) = refused(
        &workspace,
        server,
        ITU,
        &[&["colour.csv"], &TYPE[..]].concat(),
    );
    let lines: Vec<&str> = report.lines().collect();
    let [unknown, wrong] = lines[..] else {
        panic!("{report}")
    };
    let expected = "colour.csv:3: colour: An import of Publication has no such field: its fields are type, number, title, kind, organization, status, publisherStatus, committee, approvedOn, url, supersedes, topics, language. Reported once for all lines.";
    assert_eq!(unknown, expected);
    assert!(wrong.starts_with("colour.csv:5: approvedOn: "), "{wrong}");
    assert!(wrong.ends_with(" (Publication F.4)"), "{wrong}");
    assert!(last.contains("3 wrong"), "{last}");

    workspace.write(
        "quote.csv",
        format!("{HEADER}\nOTHER,ITU-T,,F.5,\"a \"b\" c\"\n"),
    );
    let (_, line) = refused(
        &workspace,
        server,
        ITU,
        &[&["quote.csv"], &TYPE[..]].concat(),
    );
    assert!(
        line.contains("line 2: text follows a closing quote"),
        "{line}"
    );
}
