//! Rules for liaison statements: who sends them, what they request, who replies.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use entity::addressee::Purpose;
use entity::committee::CommitteeStatus;
use entity::party::Party;
use entity::permission::Permission;

use crate::domain::committee::is_own;
use crate::domain::rejection::{Code, Decision, Rejection};

/// Maximum number of sending committees of a statement.
pub const MAX_SENDERS: usize = 50;
/// Maximum number of addressees of a statement.
pub const MAX_ADDRESSEES: usize = 100;
/// Maximum number of attachments of a statement.
pub const MAX_ATTACHMENTS: usize = 50;
/// Maximum number of topics of a statement.
pub const MAX_TOPICS: usize = 100;

/// The facts that the rules for a reply to a statement depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementFacts {
    /// Whether a committee of the viewer's party is an addressee.
    pub own_addressed: bool,
    /// Whether one of these committees is active.
    pub own_active: bool,
}

/// A statement is sent from active committees of the party that sends it.
pub fn validate_sender(
    party: Party,
    acting: Option<Party>,
    status: CommitteeStatus,
) -> Result<(), String> {
    is_own(party, acting)?;
    match status {
        CommitteeStatus::Active => Ok(()),
        CommitteeStatus::Concluded => {
            Err("The committee is CONCLUDED: a statement is sent from an ACTIVE one.".to_owned())
        }
    }
}

/// A statement has at least one sender.
pub fn validate_senders(count: usize) -> Result<(), String> {
    match count {
        0 => Err("Name at least one committee of yours.".to_owned()),
        _ => Ok(()),
    }
}

/// A statement has at least one addressee.
pub fn validate_addressees(count: usize) -> Result<(), String> {
    match count {
        0 => Err("Name at least one committee to send it to.".to_owned()),
        _ => Ok(()),
    }
}

/// A statement may be entered after it was sent, never before; a reply was sent after the statement that it replies to.
pub fn sent_at_fits(
    sent_at: DateTime<Utc>,
    original: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<(), String> {
    let written = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    if now < sent_at {
        return Err(format!(
            "Must not be in the future: it is now {}. Leave it out to send the statement now.",
            written(now)
        ));
    }
    match original {
        Some(original) if sent_at < original => Err(format!(
            "Must not be before the statement that it replies to was sent: {}.",
            written(original)
        )),
        _ => Ok(()),
    }
}

/// Only statements with purpose ACTION have a reply date.
pub fn validate_reply_by(purpose: Purpose, reply_by: Option<NaiveDate>) -> Result<(), String> {
    match (purpose, reply_by) {
        (Purpose::Comment | Purpose::Information, Some(_)) => {
            Err("Only ACTION can have a date to reply by: omit it, or use ACTION.".to_owned())
        }
        _ => Ok(()),
    }
}

/// Checks that the party that `facts` describe may reply.
pub fn reply(facts: &StatementFacts) -> Decision {
    let message = match (facts.own_addressed, facts.own_active) {
        (true, true) => return Ok(()),
        (true, false) => {
            "Your committees that it was sent to are CONCLUDED: send a new statement instead."
        }
        (false, _) => {
            "It was not sent to any committee of yours, and only addressees can reply. Send a new statement instead."
        }
    };
    Err(Rejection::one(Code::Invalid, "inReplyToId", message))
}

/// Checks that a reply has at least one addressee of the original statement as a sender.
pub fn validate_replier(addressed: bool) -> Result<(), String> {
    if addressed {
        Ok(())
    } else {
        Err(
            "A reply comes from at least one committee that the statement was sent to: add that one."
                .to_owned(),
        )
    }
}

/// Returns what `party` may do to a statement now. A sent statement never changes.
#[must_use]
pub fn permissions(party: Option<Party>, facts: &StatementFacts) -> Vec<Permission> {
    if party.is_none() {
        return Vec::new();
    }
    let reply = reply(facts).is_ok().then_some(Permission::Reply);
    [Permission::AddNote].into_iter().chain(reply).collect()
}

/// Returns whether a reply is overdue on `today`.
#[must_use]
pub fn overdue(replied: bool, reply_by: Option<NaiveDate>, today: NaiveDate) -> bool {
    !replied && reply_by.is_some_and(|day| day < today)
}

#[cfg(test)]
mod tests {
    use entity::word::{all, enum_name};

    use super::*;
    use crate::domain::decision_table::PARTIES;

    #[test]
    fn active_committees_of_the_sender_send() {
        for acting in PARTIES.map(Some).into_iter().chain([None]) {
            for party in PARTIES {
                let fits = |status| validate_sender(party, acting, status).is_ok();
                assert_eq!(fits(CommitteeStatus::Active), acting == Some(party));
                assert!(!fits(CommitteeStatus::Concluded));
            }
        }
    }

    #[test]
    fn a_statement_has_a_sender_and_an_addressee() {
        for count in 0..3 {
            assert_eq!(validate_senders(count).is_ok(), count > 0);
            assert_eq!(validate_addressees(count).is_ok(), count > 0);
        }
    }

    #[test]
    fn active_addressees_may_reply() {
        for own_addressed in [false, true] {
            for own_active in [false, true] {
                let facts = StatementFacts {
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
    fn reply_by_requires_purpose_action() {
        let day = NaiveDate::from_ymd_opt(2026, 6, 15);
        for purpose in all::<Purpose>() {
            assert!(validate_reply_by(purpose, None).is_ok());
            let fits = validate_reply_by(purpose, day).is_ok();
            assert_eq!(fits, enum_name(purpose) == "ACTION");
        }
        assert!(overdue(false, day, day.unwrap().succ_opt().unwrap()));
        assert!(!overdue(false, day, day.unwrap()));
        assert!(!overdue(true, day, day.unwrap().succ_opt().unwrap()));
        assert!(!overdue(false, None, day.unwrap()));
    }

    #[test]
    fn a_statement_is_not_sent_in_the_future_or_before_its_original() {
        let day = |day| {
            let day = NaiveDate::from_ymd_opt(2026, 6, day).unwrap();
            day.and_hms_opt(12, 0, 0).unwrap().and_utc()
        };
        for sent_at in 14..=16 {
            let fits = sent_at_fits(day(sent_at), None, day(15));
            assert_eq!(fits.is_ok(), sent_at <= 15, "{sent_at}");
        }
        for original in 13..=15 {
            let fits = sent_at_fits(day(14), Some(day(original)), day(15));
            assert_eq!(fits.is_ok(), original <= 14, "{original}");
        }
    }
}
