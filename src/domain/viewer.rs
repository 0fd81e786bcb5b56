//! The sender of a request, and the party that it acts for.

use chrono::{DateTime, Utc};
use entity::party::{Party, Role, Side};
use entity::permission::CreatePermission;

use crate::domain::rejection::{Decision, Rejection};
use crate::domain::{committee, organization, publication, webhook};

/// The sender of a request, as its bearer token describes it. The default is an anonymous reader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Viewer {
    /// `sub` claim of the token; `None` without a token.
    pub subject: Option<String>,
    /// All roles that the token grants.
    pub roles: Vec<Role>,
    /// The role that the header `Acting-As` names; always one of `roles`.
    pub acting_as: Option<Role>,
    /// Expiry of the token.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A viewer who may write, and the party it writes for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    pub subject: String,
    pub party: Party,
}

impl Viewer {
    /// Returns the party that this viewer acts for; `None` for readers.
    #[must_use]
    pub fn party(&self) -> Option<Party> {
        let only = match self.roles.as_slice() {
            [role] => Some(*role),
            _ => None,
        };
        self.acting_as.or(only).map(Role::party)
    }

    /// Returns the viewer as an actor.
    ///
    /// # Errors
    /// Returns an error if there is no token, the token has no role, or it has several and none is chosen.
    pub fn actor(&self) -> Decision<Actor> {
        let Some(subject) = &self.subject else {
            return Err(Rejection::Unauthenticated(
                "This needs a token: send `Authorization: Bearer …` with the role of an editor."
                    .to_owned(),
            ));
        };
        match self.party() {
            Some(party) => Ok(Actor {
                subject: subject.clone(),
                party,
            }),
            None if self.roles.is_empty() => Err(Rejection::forbidden(
                "The token has none of the roles ITU_EDITOR, UPU_EDITOR and TSB_EDITOR: it may read only.",
            )),
            None => Err(Rejection::forbidden(
                "The token has several roles: name the one to act in with the header `Acting-As`, for example `Acting-As: TSB_EDITOR`.",
            )),
        }
    }
}

/// Returns what `party` may create now, while it has so many webhooks. What depends on a record that is named, such as the
/// topic of an action item, does not decide.
#[must_use]
pub fn create_permissions(party: Option<Party>, webhooks: u64) -> Vec<CreatePermission> {
    let Some(party) = party else {
        return Vec::new();
    };
    let sides = [Some(Side::Itu), Some(Side::Upu), None];
    let for_a_side =
        |may: &dyn Fn(Option<Side>) -> Decision| sides.iter().any(|side| may(*side).is_ok());
    [
        (
            CreatePermission::CreateOrganization,
            for_a_side(&|side| {
                organization::write(party, &organization::OrganizationFacts { side })
            }),
        ),
        (
            CreatePermission::CreateCommittee,
            for_a_side(&|side| committee::write(party, side, side.map(Side::party))),
        ),
        (CreatePermission::ProposeTopic, true),
        (CreatePermission::CreateActionItem, true),
        (
            CreatePermission::AddPublication,
            for_a_side(&|side| publication::write(party, side)),
        ),
        (CreatePermission::RequestExamination, true),
        (CreatePermission::SendLiaisonStatement, true),
        (CreatePermission::AddNote, true),
        (
            CreatePermission::CreateWebhook,
            webhook::check_quota(webhooks).is_ok(),
        ),
    ]
    .into_iter()
    .filter_map(|(permission, given)| given.then_some(permission))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::decision_table::PARTIES;

    #[test]
    fn every_party_can_create_everything_within_the_webhook_quota() {
        for party in PARTIES {
            let few = create_permissions(Some(party), webhook::MAX_PER_PARTY - 1);
            let most = create_permissions(Some(party), webhook::MAX_PER_PARTY);
            assert!(few.is_sorted() && few.len() == 9);
            assert_eq!(few[..8], most[..]);
            assert_eq!(few[8], CreatePermission::CreateWebhook);
        }
        assert_eq!(create_permissions(None, 0), []);
    }
}
