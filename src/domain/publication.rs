//! Rules for publications: who may write them, and request their joint examination.

use entity::party::{Party, Side};
use entity::permission::Permission;

use crate::domain::rejection::{Code, Decision, Rejection};
use crate::domain::translation::{TranslatedRecord, translate};

/// The facts that the rules for a publication depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicationFacts {
    /// Side of its organization; `None` for a partner.
    pub side: Option<Side>,
    /// Whether an examination of it is open.
    pub under_examination: bool,
}

/// Checks that `party` may create or change a publication of this side.
pub fn write(party: Party, side: Option<Side>) -> Decision {
    match (party, side) {
        (Party::Itu | Party::Tsb, Some(Side::Itu))
        | (Party::Upu, Some(Side::Upu))
        | (Party::Tsb, None) => Ok(()),
        (Party::Tsb, Some(Side::Upu)) => Err(Rejection::forbidden(
            "The publications of the UPU are written by the UPU side alone; the TSB writes those of ITU and the partners.",
        )),
        (_, None) => Err(Rejection::forbidden(
            "The publications of partners outside ITU and UPU are written by the TSB.",
        )),
        _ => Err(Rejection::forbidden(
            "A side writes its own publications, not those of the other side.",
        )),
    }
}

/// Checks that a publication has no open examination.
pub fn examine(facts: &PublicationFacts) -> Decision {
    if facts.under_examination {
        Err(Rejection::one(
            Code::Taken,
            "publicationId",
            "This publication already has an open examination: record your side's finding there.",
        ))
    } else {
        Ok(())
    }
}

/// Checks that related publications belong to different sides.
pub fn can_relate(side: Option<Side>, other: Option<Side>) -> Result<(), String> {
    if side == other {
        Err(
            "Both are of the same side: related are a text of one side and one of another."
                .to_owned(),
        )
    } else {
        Ok(())
    }
}

/// Checks that the responsible committee belongs to the side of the publication.
pub fn validate_committee(side: Option<Side>, committee: Option<Side>) -> Result<(), String> {
    if side == committee {
        Ok(())
    } else {
        Err("The committee must be of the same side as the organization.".to_owned())
    }
}

/// A publication comes after all editions that it supersedes, so that their chain ends.
pub fn validate_supersedes_chain(leads_back: bool) -> Result<(), String> {
    if leads_back {
        Err("A publication cannot supersede itself, nor one that comes after it.".to_owned())
    } else {
        Ok(())
    }
}

/// Checks that a publication supersedes one of the same side.
pub fn validate_supersedes(side: Option<Side>, superseded: Option<Side>) -> Result<(), String> {
    if side == superseded {
        Ok(())
    } else {
        Err("A publication supersedes one of its own side.".to_owned())
    }
}

/// Returns what `party` may do to a publication now.
#[must_use]
pub fn permissions(party: Option<Party>, facts: &PublicationFacts) -> Vec<Permission> {
    let Some(party) = party else {
        return Vec::new();
    };
    let record = TranslatedRecord::Publication { side: facts.side };
    [
        (Permission::Update, write(party, facts.side).is_ok()),
        (Permission::AddNote, true),
        (Permission::Examine, examine(facts).is_ok()),
        (Permission::Translate, translate(party, &record).is_ok()),
    ]
    .into_iter()
    .filter_map(|(permission, given)| given.then_some(permission))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::decision_table::{PARTIES, SIDES, cell, name, row};

    #[test]
    fn who_may_write_and_examine_a_publication() {
        let mut table = String::new();
        let head = ["its side", "under examination", "ITU", "UPU", "TSB"];
        row(&mut table, head.map(|column| (column, 28)));
        for side in SIDES {
            for under_examination in [false, true] {
                let facts = PublicationFacts {
                    side,
                    under_examination,
                };
                let [itu, upu, tsb] = PARTIES.map(|party| {
                    let may = permissions(Some(party), &facts);
                    assert_eq!(
                        may.contains(&Permission::Update),
                        write(party, side).is_ok()
                    );
                    assert!(may.contains(&Permission::AddNote));
                    let examines = if may.contains(&Permission::Examine) {
                        "examine"
                    } else {
                        "examine: taken"
                    };
                    format!("write: {}, {examines}", cell(&write(party, side)))
                });
                assert_eq!(permissions(None, &facts), []);
                let under = if under_examination { "yes" } else { "no" };
                let side = name(side);
                let cells = [side.as_str(), under, &itu, &upu, &tsb].map(|cell| (cell, 28));
                row(&mut table, cells);
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn a_chain_of_editions_ends() {
        assert!(validate_supersedes_chain(false).is_ok());
        assert!(validate_supersedes_chain(true).is_err());
    }

    #[test]
    fn related_are_texts_of_different_sides() {
        for side in SIDES {
            for other in SIDES {
                assert_eq!(can_relate(side, other).is_ok(), side != other);
                assert_eq!(validate_committee(side, other).is_ok(), side == other);
                assert_eq!(validate_supersedes(side, other).is_ok(), side == other);
            }
        }
    }
}
