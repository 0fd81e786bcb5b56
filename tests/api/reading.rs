//! Reading the register.

use serde_json::json;

use crate::harness::Server;

on_both_databases! {
    codes_stand_in_natural_order
}

async fn codes_stand_in_natural_order(server: &Server) {
    let data = server
        .anonymous()
        .data(
            "{ committees(first: 4, filter: { period: \"2013-2016\", kind: [STUDY_GROUP] }) { nodes { code } } }",
            json!({}),
        )
        .await;
    assert_eq!(
        data["committees"]["nodes"],
        json!([{ "code": "SG2" }, { "code": "SG3" }, { "code": "SG5" }, { "code": "SG9" }])
    );
}
