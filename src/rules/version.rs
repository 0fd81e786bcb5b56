//! Who edits what someone else has changed meanwhile finds out by the version.

use super::refusal::{Code, Decision, Refusal};

/// A decision about a record, with the version in its place: who may not act at all learns that
/// first, whoever read an older version learns it before anything about the record's state.
pub fn checked<T>(decision: Decision<T>, current: i32, read: i32) -> Decision<T> {
    match decision {
        Err(Refusal::Unauthenticated(_) | Refusal::Forbidden(_)) => decision,
        _ if current != read => Err(Refusal::one(
            Code::Stale,
            "version",
            format!(
                "This record is at version {current}, not {read}: re-read it, and change what is there now."
            ),
        )),
        decision => decision,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_version_comes_after_forbidden_and_before_the_state() {
        let forbidden = Refusal::forbidden("no");
        assert_eq!(
            checked::<()>(Err(forbidden.clone()), 2, 1),
            Err(forbidden.clone())
        );
        for decision in [Ok(()), Err(Refusal::not_now("not now"))] {
            let Err(Refusal::Problems(problems)) = checked(decision.clone(), 2, 1) else {
                panic!("a stale version passed");
            };
            assert_eq!(problems[0].code, Code::Stale);
            assert_eq!(checked(decision.clone(), 2, 2), decision);
        }
    }
}
