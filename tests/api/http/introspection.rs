//! Introspection: common tools get the whole schema, and no document exceeds the response size.

use futures_util::future::join_all;
use liaison::http::limits::Limits;
use reqwest::Method;
use serde_json::json;

use crate::security::hostile_requests::each;
use crate::support::harness::Server;

on_both_databases! {
    nested_introspection_lists_are_refused
    introspection_lists_cost_their_actual_length
    introspection_is_subject_to_the_response_limit
    introspection_does_not_block_other_requests
}

/// Nested pairs of lists that lead from an interface to its types and back.
fn pairs(count: usize) -> String {
    let open = "{possibleTypes{interfaces".repeat(count);
    format!("{open}{{name}}{}", "}}".repeat(count))
}

async fn nested_introspection_lists_are_refused(server: &Server) {
    let client = server.anonymous();
    let seven = format!("{{__type(name:\"Node\"){}}}", pairs(7));
    let chain = each(12, |index| {
        let next = index + 1;
        format!("fragment F{index} on __Type {{ possibleTypes {{ interfaces {{ ...F{next} }} }} }}")
    });
    let chain = format!("{chain} fragment F12 on __Type {{ name }}");
    // Each fragment is first spread where it is allowed.
    let shallow_first = format!(
        "{{ __type(name: \"Node\") {{ {} ...F8 }} }} {} fragment F8 on __Type {{ name }}",
        each(8, |index| format!("...F{}", 7 - index)),
        each(8, |index| {
            let next = index + 1;
            format!(
                "fragment F{index} on __Type {{ a{index}: possibleTypes {{ ...F{next} }} b{index}: interfaces {{ ...F{next} }} }}"
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

async fn introspection_lists_cost_their_actual_length(server: &Server) {
    let client = server.anonymous();
    // As deep as allowed, but larger than a response may be.
    let wide = "{ __schema { types { fields { name description type { fields { name description args { name description type { name description } } } } } } } }";
    let answer = client.run(wide, json!({})).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["limit"], "cost",
        "{}",
        answer["errors"]
    );
    for document in [
        include_str!("../introspection.graphql"),
        "{ __type(name: \"Query\") { name fields { name args { name } type { name fields { name } } } } }",
        "{ __type(name: \"Node\") { possibleTypes { name interfaces { name } } } }",
        "{ __schema { types { name } queryType { fields { name args { name defaultValue } } } directives { name args { name } locations } } }",
    ] {
        client.data(document, json!({})).await;
    }
}

async fn introspection_is_subject_to_the_response_limit(server: &Server) {
    let limits = Limits {
        response_bytes: 50_000,
        ..Limits::default()
    };
    let short = server.beside(|app| app.limits = limits).await;
    let client = short.anonymous();
    for document in [
        include_str!("../introspection.graphql"),
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

async fn introspection_does_not_block_other_requests(server: &Server) {
    const INTROSPECTIONS: usize = 4;
    let limits = Limits {
        request_timeout: std::time::Duration::from_mins(2),
        ..Limits::default()
    };
    let service = server.beside(|app| app.limits = limits).await;
    let fields = each(25, |number| {
        format!("x{number}: fields {{ name description type {{ name description }} }}")
    });
    let client = service.anonymous();
    let introspections = (0..INTROSPECTIONS).map(async |number| {
        let wide = format!("query Q{number} {{ __schema {{ types {{ {fields} }} }} }}");
        client.data(&wide, json!({})).await;
    });
    let mut answered = 0;
    let others = async {
        loop {
            let answer = client.send(Method::GET, "/livez", &[], "").await;
            assert_eq!(answer.status, 200);
            answered += 1;
        }
    };
    tokio::select! {
        _ = join_all(introspections) => {}
        () = others => {}
    }
    // Each takes a second and more in a test: all of that time others are answered, not only between two of them.
    assert!(answered > 10 * INTROSPECTIONS, "{answered}");
}
