//! Who is asking, and as which party.

use chrono::{DateTime, Utc};
use entity::party::{Party, Role};

use super::refusal::{Decision, Refusal};

/// The one who sent the request, as the bearer token tells; the default is nobody in particular.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Viewer {
    /// Whom the token is about; none without a token.
    pub subject: Option<String>,
    /// All that the token grants.
    pub roles: Vec<Role>,
    /// The role that the request named with `Acting-As`; always one of `roles`.
    pub acting_as: Option<Role>,
    /// When the token ends.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Someone who may write, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    pub subject: String,
    pub party: Party,
}

impl Viewer {
    /// The party that this viewer acts as; none for those who only read.
    #[must_use]
    pub fn party(&self) -> Option<Party> {
        let only = match self.roles.as_slice() {
            [role] => Some(*role),
            _ => None,
        };
        self.acting_as.or(only).map(Role::party)
    }

    /// The viewer as someone who writes.
    ///
    /// # Errors
    /// Unauthenticated without a token; forbidden with one that has no role, or several and none chosen.
    pub fn actor(&self) -> Decision<Actor> {
        let Some(subject) = &self.subject else {
            return Err(Refusal::Unauthenticated(
                "Writing needs a token: send `Authorization: Bearer …` with the role of an editor."
                    .to_owned(),
            ));
        };
        match self.party() {
            Some(party) => Ok(Actor {
                subject: subject.clone(),
                party,
            }),
            None if self.roles.is_empty() => Err(Refusal::forbidden(
                "The token has none of the roles ITU_EDITOR, UPU_EDITOR and TSB_EDITOR: it may read only.",
            )),
            None => Err(Refusal::forbidden(
                "The token has several roles: name the one to act in with the header `Acting-As`, for example `Acting-As: TSB_EDITOR`.",
            )),
        }
    }
}
