//! Liaison statements: who sends them, what they ask, who replies.

use chrono::NaiveDate;
use entity::addressee::Purpose;
use entity::committee::CommitteeStatus;
use entity::party::Party;
use entity::permission::Permission;

use super::refusal::{Code, Decision, Refusal};

/// The most committees that a statement is sent from.
pub const SENDERS: usize = 50;
/// The most committees that a statement is sent to.
pub const ADDRESSEES: usize = 100;
/// The most attachments of a statement.
pub const ATTACHMENTS: usize = 50;
/// The most topics of a statement.
pub const TOPICS: usize = 100;

/// What the rules need to know of a statement that somebody wants to reply to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Whether it was sent to a committee of the asking party.
    pub own_addressed: bool,
    /// Whether one of those is active.
    pub own_active: bool,
}

/// Whether `party` may send from a committee that `acting` acts for.
pub fn send_from(party: Party, acting: Option<Party>) -> Decision {
    if acting == Some(party) {
        Ok(())
    } else {
        Err(Refusal::forbidden(
            "A liaison statement is sent from the sender's own committees, and from no others.",
        ))
    }
}

/// A committee that was concluded sends nothing more.
pub fn sender_fits(status: CommitteeStatus) -> Result<(), String> {
    match status {
        CommitteeStatus::Active => Ok(()),
        CommitteeStatus::Concluded => {
            Err("The committee is CONCLUDED: a statement is sent from an ACTIVE one.".to_owned())
        }
    }
}

/// A day to reply by goes with ACTION alone.
pub fn reply_by_fits(purpose: Purpose, reply_by: Option<NaiveDate>) -> Result<(), String> {
    match (purpose, reply_by) {
        (Purpose::Comment | Purpose::Information, Some(_)) => Err(
            "A day to reply by goes only with ACTION: leave it out, or ask for action.".to_owned(),
        ),
        _ => Ok(()),
    }
}

/// Whether a party that `facts` are about may reply.
pub fn reply(facts: &Facts) -> Decision {
    let message = match (facts.own_addressed, facts.own_active) {
        (true, true) => return Ok(()),
        (true, false) => {
            "Your committees that it was sent to are CONCLUDED: send a statement of your own instead."
        }
        (false, _) => {
            "It was not sent to any committee of yours: only who was addressed replies. Send a statement of your own instead."
        }
    };
    Err(Refusal::one(Code::Invalid, "inReplyToId", message))
}

/// A reply comes from at least one of the committees that were addressed.
pub fn replier_fits(addressed: bool) -> Result<(), String> {
    if addressed {
        Ok(())
    } else {
        Err(
            "A reply comes from at least one committee that the statement was sent to: add that one."
                .to_owned(),
        )
    }
}

/// All that `party` may do to a statement now. Once sent it is never changed.
#[must_use]
pub fn permissions(party: Option<Party>, facts: &Facts) -> Vec<Permission> {
    if party.is_none() {
        return Vec::new();
    }
    let reply = reply(facts).is_ok().then_some(Permission::Reply);
    [Permission::AddNote].into_iter().chain(reply).collect()
}

/// Whether an addressee should have replied before `today`, and has not.
#[must_use]
pub fn overdue(replied: bool, reply_by: Option<NaiveDate>, today: NaiveDate) -> bool {
    !replied && reply_by.is_some_and(|day| day < today)
}

#[cfg(test)]
mod tests {
    use entity::word::{all, word};

    use super::*;
    use crate::rules::table::{PARTIES, cell, name, row};

    #[test]
    fn who_may_send_from_which_committee() {
        let mut table = String::new();
        row(
            &mut table,
            ["committee of", "ITU", "UPU", "TSB"].map(|it| (it, 12)),
        );
        for acting in PARTIES.map(Some).into_iter().chain([None]) {
            let [itu, upu, tsb] = PARTIES.map(|party| cell(&send_from(party, acting)));
            let acting = name(acting);
            let cells = [acting.as_str(), itu, upu, tsb].map(|it| (it, 12));
            row(&mut table, cells);
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn who_was_addressed_and_still_works_may_reply() {
        for own_addressed in [false, true] {
            for own_active in [false, true] {
                let facts = Facts {
                    own_addressed,
                    own_active,
                };
                let may = own_addressed && own_active;
                assert_eq!(reply(&facts).is_ok(), may);
                for party in PARTIES {
                    let permissions = permissions(Some(party), &facts);
                    assert_eq!(permissions.contains(&Permission::Reply), may);
                    assert!(permissions.contains(&Permission::AddNote));
                }
                assert_eq!(permissions(None, &facts), []);
            }
        }
    }

    #[test]
    fn a_day_to_reply_by_goes_with_action_alone() {
        let day = NaiveDate::from_ymd_opt(2026, 6, 15);
        for purpose in all::<Purpose>() {
            assert!(reply_by_fits(purpose, None).is_ok());
            let fits = reply_by_fits(purpose, day).is_ok();
            assert_eq!(fits, word(purpose) == "ACTION");
        }
        assert!(overdue(false, day, day.unwrap().succ_opt().unwrap()));
        assert!(!overdue(false, day, day.unwrap()));
        assert!(!overdue(true, day, day.unwrap().succ_opt().unwrap()));
        assert!(!overdue(false, None, day.unwrap()));
    }

    #[test]
    fn only_active_committees_send() {
        assert!(sender_fits(CommitteeStatus::Active).is_ok());
        assert!(sender_fits(CommitteeStatus::Concluded).is_err());
    }
}
