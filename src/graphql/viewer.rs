//! Who is asking.

use async_graphql::SimpleObject;
use entity::party::{Party, Role};
use entity::scalar::DateTime;

use crate::rules;

/// Who is asking, as the bearer token says.
#[derive(SimpleObject)]
pub struct Viewer {
    /// Whom the token was given to; null without a token.
    subject: Option<String>,
    /// All roles that the token grants; empty without a token.
    roles: Vec<Role>,
    /// The party that this request acts as; null for those who only read, and while a token with several roles names none in `Acting-As`.
    party: Option<Party>,
    /// When the token ends; null without a token.
    expires_at: Option<DateTime>,
}

impl From<&rules::viewer::Viewer> for Viewer {
    fn from(viewer: &rules::viewer::Viewer) -> Self {
        Self {
            subject: viewer.subject.clone(),
            roles: viewer.roles.clone(),
            party: viewer.party(),
            expires_at: viewer.expires_at.map(DateTime),
        }
    }
}
