//! Optimistic concurrency control by record versions.

use entity::id::Uuid;

use crate::domain::rejection::{Decision, Rejection};

/// Adds the version check to a decision: a viewer without permission gets FORBIDDEN
/// first, a client that read an older version learns it before anything about the record's state.
pub fn check_version<T>(
    decision: Decision<T>,
    record: impl Into<Uuid>,
    current: i32,
    read: i32,
) -> Decision<T> {
    match decision {
        Err(Rejection::Unauthenticated(_) | Rejection::Forbidden(_)) => decision,
        _ if current != read => Err(Rejection::Stale {
            record: record.into(),
            message: format!(
                "This change is based on version {read} of the record, but the current version is {current}. Compare the change with the current record, then send it with version {current}."
            ),
        }),
        decision => decision,
    }
}

#[cfg(test)]
mod tests {
    use entity::id::TopicId;

    use super::*;

    #[test]
    fn stale_comes_after_forbidden_and_before_not_allowed_now() {
        let id = TopicId(Uuid::from_u128(7));
        let forbidden = Rejection::forbidden("no");
        assert_eq!(
            check_version::<()>(Err(forbidden.clone()), id, 2, 1),
            Err(forbidden.clone())
        );
        for decision in [Ok(()), Err(Rejection::not_now("not now"))] {
            let Err(Rejection::Stale { record, .. }) = check_version(decision.clone(), id, 2, 1)
            else {
                panic!("a stale version passed");
            };
            assert_eq!(record, id.0);
            assert_eq!(check_version(decision.clone(), id, 2, 2), decision);
        }
    }
}
