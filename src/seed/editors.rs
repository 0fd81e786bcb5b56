//! The viewers that the loader acts as.

use entity::party::{Party, Role};

use crate::domain::viewer::Viewer;

/// Returns a viewer of the party that writes the committees of an organization.
pub fn editor_of(organization: &str) -> Viewer {
    viewer(match organization {
        "TSB" => Party::Tsb,
        "ITU-T" => Party::Itu,
        _ => Party::Upu,
    })
}

/// Returns a viewer of the loader that acts for a party.
pub fn viewer(party: Party) -> Viewer {
    let role = match party {
        Party::Itu => Role::ItuEditor,
        Party::Upu => Role::UpuEditor,
        Party::Tsb => Role::TsbEditor,
    };
    Viewer {
        subject: Some("register:seed".to_owned()),
        roles: vec![role],
        ..Viewer::default()
    }
}
