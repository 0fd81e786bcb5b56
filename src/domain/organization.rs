//! Rules for organizations: who may write them, and their structure.

use entity::organization::OrganizationKind;
use entity::party::{Party, Side};
use entity::permission::Permission;

use crate::domain::rejection::{Decision, Rejection};
use crate::domain::translation::{self, TranslatedRecord};

/// The facts that the rules for an organization depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrganizationFacts {
    /// `None` for a partner.
    pub side: Option<Side>,
}

/// Checks that `party` may create or change an organization.
pub fn write(party: Party, facts: &OrganizationFacts) -> Decision {
    match (party, facts.side) {
        (Party::Itu | Party::Tsb, Some(Side::Itu))
        | (Party::Upu, Some(Side::Upu))
        | (Party::Tsb, None) => Ok(()),
        (Party::Tsb, Some(Side::Upu)) => Err(Rejection::forbidden(
            "The organizations of the UPU are written by the UPU side alone; the TSB writes those of ITU and the partners.",
        )),
        (_, None) => Err(Rejection::forbidden(
            "The partners outside ITU and UPU are written by the TSB.",
        )),
        _ => Err(Rejection::forbidden(
            "A side writes its own organizations, not those of the other side.",
        )),
    }
}

#[must_use]
pub fn permissions(party: Option<Party>, facts: &OrganizationFacts) -> Vec<Permission> {
    let Some(party) = party else {
        return Vec::new();
    };
    let update = write(party, facts).is_ok().then_some(Permission::Update);
    let record = TranslatedRecord::Organization { side: facts.side };
    let translate = translation::permission(party, &record);
    update.into_iter().chain(translate).collect()
}

/// Checks that a partner has no side, and every other organization has one.
pub fn validate_kind(kind: OrganizationKind, side: Option<Side>) -> Result<(), String> {
    match (kind, side) {
        (OrganizationKind::Partner, Some(_)) => Err("A PARTNER has no side: leave it out."),
        (OrganizationKind::Partner, None) | (_, Some(_)) => Ok(()),
        (_, None) => Err("An organization of any kind but PARTNER needs its side: ITU or UPU."),
    }
    .map_err(str::to_owned)
}

/// Checks that a parent, an organization or a committee, belongs to the same side.
pub fn validate_parent(side: Option<Side>, parent: Option<Side>) -> Result<(), String> {
    if side == parent {
        Ok(())
    } else {
        Err("The parent must be of the same side.".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;
    use crate::domain::decision_table::{PARTIES, SIDES, cell, name};

    #[test]
    fn who_may_write_an_organization() {
        let mut table = String::from("organization's side   ITU  UPU  TSB\n");
        for side in SIDES {
            let facts = OrganizationFacts { side };
            write!(table, "{:<21}", name(side)).unwrap();
            for party in PARTIES {
                let decision = write(party, &facts);
                let may = permissions(Some(party), &facts).contains(&Permission::Update);
                assert_eq!(decision.is_ok(), may);
                write!(table, " {:<4}", cell(&decision)).unwrap();
            }
            assert_eq!(permissions(None, &facts), []);
            table.truncate(table.trim_end().len());
            table.push('\n');
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn only_partners_have_no_side() {
        assert!(validate_kind(OrganizationKind::Partner, None).is_ok());
        assert!(validate_kind(OrganizationKind::Partner, Some(Side::Itu)).is_err());
        assert!(validate_kind(OrganizationKind::Sector, Some(Side::Itu)).is_ok());
        assert!(validate_kind(OrganizationKind::Sector, None).is_err());
    }

    #[test]
    fn the_sides_are_equal() {
        for side in SIDES {
            let exchanged = OrganizationFacts {
                side: side.map(Side::other),
            };
            assert_eq!(
                write(Party::Itu, &OrganizationFacts { side }).is_ok(),
                write(Party::Upu, &exchanged).is_ok()
            );
        }
    }
}
