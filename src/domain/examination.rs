//! Rules for the joint examination of a publication: each side records its own finding, until both have.

use chrono::NaiveDate;
use entity::party::{Party, Side};
use entity::permission::Permission;

use crate::domain::rejection::{Decision, Rejection};

/// Returns the side that `party` records findings for.
pub fn side_of(party: Party) -> Decision<Side> {
    party.side().ok_or_else(|| {
        Rejection::forbidden("A side records what it found itself; the TSB finds for neither.")
    })
}

/// Checks that `party` may record or replace its side's finding now.
pub fn record_finding(party: Party, complete: bool) -> Decision {
    side_of(party)?;
    if complete {
        Err(Rejection::not_now(
            "Both sides have found, and the examination is closed: ask for a new one where there is something new.",
        ))
    } else {
        Ok(())
    }
}

/// Returns the sides that have yet to record a finding, given whether ITU and UPU have.
#[must_use]
pub fn awaiting(itu_found: bool, upu_found: bool) -> Vec<Side> {
    let found = [(Side::Itu, itu_found), (Side::Upu, upu_found)].into_iter();
    found
        .filter(|(_, has_found)| !has_found)
        .map(|(side, _)| side)
        .collect()
}

/// All that `party` may do to an examination now.
#[must_use]
pub fn permissions(party: Option<Party>, complete: bool) -> Vec<Permission> {
    let Some(party) = party else {
        return Vec::new();
    };
    let finds = record_finding(party, complete).is_ok();
    [Permission::AddNote]
        .into_iter()
        .chain(finds.then_some(Permission::RecordFinding))
        .collect()
}

/// Returns whether an examination is overdue on `today`.
#[must_use]
pub fn overdue(complete: bool, due_on: Option<NaiveDate>, today: NaiveDate) -> bool {
    !complete && due_on.is_some_and(|day| day < today)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::decision_table::{PARTIES, cell, row};

    #[test]
    fn who_may_record_a_finding() {
        let mut table = String::new();
        row(
            &mut table,
            ["examination", "ITU", "UPU", "TSB"].map(|column| (column, 12)),
        );
        for complete in [false, true] {
            let [itu, upu, tsb] = PARTIES.map(|party| cell(&record_finding(party, complete)));
            let state = if complete { "complete" } else { "under way" };
            row(&mut table, [state, itu, upu, tsb].map(|cell| (cell, 12)));
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn permissions_agree_with_the_mutations() {
        for complete in [false, true] {
            assert_eq!(permissions(None, complete), []);
            for party in PARTIES {
                let given = permissions(Some(party), complete);
                assert!(given.is_sorted() && given.contains(&Permission::AddNote));
                assert_eq!(
                    given.contains(&Permission::RecordFinding),
                    record_finding(party, complete).is_ok()
                );
            }
        }
    }

    #[test]
    fn it_awaits_the_sides_that_have_not_found() {
        assert_eq!(awaiting(false, false), [Side::Itu, Side::Upu]);
        assert_eq!(awaiting(true, false), [Side::Upu]);
        assert_eq!(awaiting(false, true), [Side::Itu]);
        assert_eq!(awaiting(true, true), []);
    }

    #[test]
    fn an_examination_is_overdue_from_its_due_date_until_complete() {
        let day = |day| NaiveDate::from_ymd_opt(2026, 6, day);
        let today = day(15).unwrap();
        assert!(overdue(false, day(14), today));
        assert!(!overdue(false, day(15), today));
        assert!(!overdue(false, None, today));
        assert!(!overdue(true, day(14), today));
    }
}
