//! The joint examination of a publication: each side finds for itself, until both have.

use chrono::NaiveDate;
use entity::party::{Party, Side};
use entity::word::word;

use super::refusal::{Decision, Refusal};

/// Which side `party` records findings for.
pub fn side_of(party: Party) -> Decision<Side> {
    party.side().ok_or_else(|| {
        Refusal::forbidden("A side records what it found itself; the TSB finds for neither.")
    })
}

/// Whether `party` may now record what its side found, or rewrite it.
pub fn record_finding(party: Party, complete: bool) -> Decision {
    side_of(party)?;
    if complete {
        Err(Refusal::not_now(
            "Both sides have found, and the examination is closed: ask for a new one where there is something new.",
        ))
    } else {
        Ok(())
    }
}

/// A finding is that of a committee of the side itself.
pub fn finder_fits(side: Side, acting: Option<Party>) -> Result<(), String> {
    if acting == Some(side.party()) {
        Ok(())
    } else {
        Err(format!(
            "This committee is not of {}: a side finds by a committee of its own.",
            word(side)
        ))
    }
}

/// Whether it should have been complete before `today`, and is not.
#[must_use]
pub fn overdue(complete: bool, due_on: Option<NaiveDate>, today: NaiveDate) -> bool {
    !complete && due_on.is_some_and(|day| day < today)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::table::{PARTIES, cell, row};

    #[test]
    fn who_may_record_a_finding() {
        let mut table = String::new();
        row(
            &mut table,
            ["examination", "ITU", "UPU", "TSB"].map(|it| (it, 12)),
        );
        for complete in [false, true] {
            let [itu, upu, tsb] = PARTIES.map(|party| cell(&record_finding(party, complete)));
            let state = if complete { "complete" } else { "under way" };
            row(&mut table, [state, itu, upu, tsb].map(|it| (it, 12)));
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn a_side_finds_by_its_own_committees() {
        for side in [Side::Itu, Side::Upu] {
            for acting in PARTIES.map(Some).into_iter().chain([None]) {
                let own = acting == Some(side.party());
                assert_eq!(finder_fits(side, acting).is_ok(), own);
            }
        }
    }

    #[test]
    fn what_was_due_before_today_is_overdue_until_complete() {
        let day = |day| NaiveDate::from_ymd_opt(2026, 6, day);
        let today = day(15).unwrap();
        assert!(overdue(false, day(14), today));
        assert!(!overdue(false, day(15), today));
        assert!(!overdue(false, None, today));
        assert!(!overdue(true, day(14), today));
    }
}
