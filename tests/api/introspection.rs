//! Introspection: the usual tools get the whole schema, and no document gets more of it than fits into a response.

use liaison::http::limits::Limits;
use serde_json::json;

use crate::harness::Server;
use crate::hostile_requests::each;

on_both_databases! {
    lists_of_types_within_lists_of_types_are_refused
    lists_of_introspection_cost_what_they_hold
    the_schema_is_answered_within_the_limit_of_bytes
}

/// So many pairs of lists that lead from an interface to its types, and back.
fn pairs(count: usize) -> String {
    let open = "{possibleTypes{interfaces".repeat(count);
    format!("{open}{{name}}{}", "}}".repeat(count))
}

async fn lists_of_types_within_lists_of_types_are_refused(server: &Server) {
    let client = server.anonymous();
    let seven = format!("{{__type(name:\"Node\"){}}}", pairs(7));
    let chain = each(12, |it| {
        let next = it + 1;
        format!("fragment F{it} on __Type {{ possibleTypes {{ interfaces {{ ...F{next} }} }} }}")
    });
    let chain = format!("{chain} fragment F12 on __Type {{ name }}");
    // Each fragment is spread first where it is allowed.
    let shallow_first = format!(
        "{{ __type(name: \"Node\") {{ {} ...F8 }} }} {} fragment F8 on __Type {{ name }}",
        each(8, |it| format!("...F{}", 7 - it)),
        each(8, |it| {
            let next = it + 1;
            format!(
                "fragment F{it} on __Type {{ a{it}: possibleTypes {{ ...F{next} }} b{it}: interfaces {{ ...F{next} }} }}"
            )
        })
    );
    for document in [
        seven.clone(),
        format!("{{__type(name:\"Node\"){}}}", pairs(2)),
        format!(
            "{{ __schema {{ queryType {} }} }}",
            "{ fields { type ".repeat(3) + "{ name }" + &"} }".repeat(3)
        ),
        seven
            .replace("possibleTypes{", "a:possibleTypes{")
            .replace("interfaces{", "b:interfaces{"),
        format!("{{ __type(name: \"Node\") {{ ...F0 }} }} {chain}"),
        shallow_first,
        format!(
            "{{ __schema {{ types {} }} viewer {{ roles }} }}",
            "{ inputFields { type ".repeat(3) + "{ name }" + &"} }".repeat(3)
        ),
    ] {
        let answer = client.run(&document, json!({})).await;
        let error = &answer["errors"][0];
        assert_eq!(answer.get("data"), None, "{document}");
        assert_eq!(
            error["extensions"]["code"], "QUERY_TOO_DEEP",
            "{document}: {error}"
        );
        assert_eq!(
            error["extensions"]["limit"], "introspectionDepth",
            "{document}"
        );
    }
    assert!(seven.len() <= 231, "{}", seven.len());
}

async fn lists_of_introspection_cost_what_they_hold(server: &Server) {
    let client = server.anonymous();
    // As deep as it may be, and yet more than a response may hold.
    let wide = "{ __schema { types { fields { name description type { fields { name description args { name description type { name description } } } } } } } }";
    let answer = client.run(wide, json!({})).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["limit"], "cost",
        "{}",
        answer["errors"]
    );
    for document in [
        include_str!("introspection.graphql"),
        "{ __type(name: \"Query\") { name fields { name args { name } type { name fields { name } } } } }",
        "{ __type(name: \"Node\") { possibleTypes { name interfaces { name } } } }",
        "{ __schema { types { name } queryType { fields { name args { name defaultValue } } } directives { name args { name } locations } } }",
    ] {
        client.data(document, json!({})).await;
    }
}

async fn the_schema_is_answered_within_the_limit_of_bytes(server: &Server) {
    let limits = Limits {
        answer: 50_000,
        ..Limits::default()
    };
    let short = server.beside(|app| app.limits = limits).await;
    let client = short.anonymous();
    for document in [
        include_str!("introspection.graphql"),
        "{ viewer { roles } __schema { types { name description fields { name description } } } }",
    ] {
        let answer = client.run(document, json!({})).await;
        assert_eq!(answer["data"], json!(null), "{document}");
        let extensions = &answer["errors"][0]["extensions"];
        assert_eq!(extensions["code"], "QUERY_TOO_COMPLEX", "{answer}");
        assert_eq!(extensions["limit"], "answer", "{answer}");
    }
    client
        .data("{ __schema { types { name } } }", json!({}))
        .await;
}
