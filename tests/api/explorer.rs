//! The explorer's prepared queries and mutations work on the data that the service comes with.

use serde_json::Value;
use tokio::process::Command;

use crate::harness::Server;

on_both_databases! {
    what_the_explorer_prepares_can_be_run
}

/// Asks for the tabs as the page does, then runs each as the editor that its first line names.
const RUN: &str = r"
const { examples } = await import(process.env.EXAMPLES);
const ask = async (body, token) => {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const answer = await fetch(process.env.ADDRESS, { method: 'POST', headers, body: JSON.stringify(body) });
  return answer.json();
};
const answers = [];
for (const { query, variables } of await examples(ask)) {
  const editor = query.match(/As (\w+)_EDITOR/)?.[1];
  const token = editor && process.env[`${editor}_TOKEN`];
  answers.push({ query, answer: await ask({ query, variables: JSON.parse(variables || '{}') }, token) });
}
console.log(JSON.stringify(answers));
";

async fn what_the_explorer_prepares_can_be_run(server: &Server) {
    let examples = concat!(
        "file://",
        env!("CARGO_MANIFEST_DIR"),
        "/graphiql/examples.js"
    );
    let output = Command::new("node")
        .args(["--input-type=module", "--eval", RUN])
        .env("EXAMPLES", examples)
        .env("ADDRESS", format!("{}/graphql", server.address))
        .env("ITU_TOKEN", server.itu().token.unwrap())
        .env("UPU_TOKEN", server.upu().token.unwrap())
        .output()
        .await
        .expect("the explorer is built with Node, so its tests run on it");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let answers: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answers.len(), 11);
    for answer in answers {
        let (query, answer) = (answer["query"].as_str().unwrap(), &answer["answer"]);
        assert_eq!(answer.get("errors"), None, "{query}{answer:#}");
        for payload in answer["data"].as_object().unwrap().values() {
            if let Some(errors) = payload.get("userErrors") {
                assert_eq!(errors, &Value::Array(Vec::new()), "{query}{answer:#}");
            }
        }
    }
}
