//! Rules for mandates: who writes them.

use entity::party::Party;

use crate::domain::rejection::{Decision, Rejection};

/// Checks that `party` may create a mandate.
pub fn create(party: Party) -> Decision {
    match party {
        Party::Tsb => Ok(()),
        Party::Itu | Party::Upu => Err(Rejection::forbidden(
            "The TSB keeps the mandate; the sides work under it.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::decision_table::{PARTIES, cell};

    #[test]
    fn only_the_tsb_creates_mandates() {
        assert_eq!(PARTIES.map(|party| cell(&create(party))), ["–", "–", "yes"]);
    }
}
