//! Rules for overlaps: who may say that two texts are different.

use entity::party::{Party, Side};
use entity::permission::Permission;

use crate::domain::rejection::{Decision, Rejection};

/// Checks that `party` may dismiss a pair of an ITU and a UPU text. Either side may; the TSB leaves it to them.
pub fn dismiss(party: Party) -> Decision {
    match party.side() {
        Some(_) => Ok(()),
        None => Err(Rejection::forbidden(
            "An overlap is dismissed by ITU or the UPU: they know their texts.",
        )),
    }
}

/// Returns what `party` may do to an overlap.
#[must_use]
pub fn permissions(party: Option<Party>) -> Vec<Permission> {
    let may_dismiss = party.is_some_and(|party| dismiss(party).is_ok());
    may_dismiss
        .then_some(Permission::Dismiss)
        .into_iter()
        .collect()
}

/// Checks that a text is of the side that it is named for: a publication of its organization's, a topic of the side that
/// proposed it.
pub fn validate_side(of: Option<Side>, named_for: Side) -> Result<(), String> {
    if of == Some(named_for) {
        return Ok(());
    }
    Err(match named_for {
        Side::Itu => "Must be a publication of ITU, or a topic that ITU proposed.".to_owned(),
        Side::Upu => {
            "Must be a publication of the UPU, or a topic that the UPU proposed.".to_owned()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::decision_table::{PARTIES, SIDES, cell, exchanged};

    #[test]
    fn who_may_dismiss() {
        assert_eq!(
            PARTIES.map(|party| cell(&dismiss(party))),
            ["yes", "yes", "–"]
        );
    }

    #[test]
    fn what_is_permitted_is_what_the_mutation_would_not_refuse() {
        assert_eq!(permissions(None), []);
        for party in PARTIES {
            let given = permissions(Some(party));
            assert_eq!(given == [Permission::Dismiss], dismiss(party).is_ok());
        }
    }

    #[test]
    fn a_text_is_named_for_its_own_side() {
        let fits = SIDES
            .map(|of| [Side::Itu, Side::Upu].map(|named_for| validate_side(of, named_for).is_ok()));
        assert_eq!(fits, [[true, false], [false, true], [false, false]]);
    }

    #[test]
    fn the_sides_are_equal() {
        for party in PARTIES {
            assert_eq!(dismiss(party).is_ok(), dismiss(exchanged(party)).is_ok());
        }
    }
}
