//! Optimistic concurrency control by record versions.

use entity::id::Id;

use super::refusal::{Decision, Refusal};

/// A decision about a record, with the version in its place: who may not act at all learns that
/// first, whoever read an older version learns it before anything about the record's state.
pub fn checked<T>(decision: Decision<T>, record: impl Id, current: i32, read: i32) -> Decision<T> {
    match decision {
        Err(Refusal::Unauthenticated(_) | Refusal::Forbidden(_)) => decision,
        _ if current != read => Err(Refusal::Stale {
            record: record.into(),
            message: format!(
                "This record is at version {current}, not {read}: look at what is there now, and send your change with version {current}."
            ),
        }),
        decision => decision,
    }
}

#[cfg(test)]
mod tests {
    use entity::id::{TopicId, Uuid};

    use super::*;

    #[test]
    fn a_wrong_version_comes_after_forbidden_and_before_the_state() {
        let id = TopicId(Uuid::from_u128(7));
        let forbidden = Refusal::forbidden("no");
        assert_eq!(
            checked::<()>(Err(forbidden.clone()), id, 2, 1),
            Err(forbidden.clone())
        );
        for decision in [Ok(()), Err(Refusal::not_now("not now"))] {
            let Err(Refusal::Stale { record, .. }) = checked(decision.clone(), id, 2, 1) else {
                panic!("a stale version passed");
            };
            assert_eq!(record, id.0);
            assert_eq!(checked(decision.clone(), id, 2, 2), decision);
        }
    }
}
