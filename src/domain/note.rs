//! Rules for notes: who may retract them, and which records they are added to.

use entity::id::{
    ActionItemId, ExaminationId, Id, LiaisonStatementId, PublicationId, TopicId, type_of,
};
use entity::party::Party;

use crate::domain::rejection::{Decision, Rejection};

/// The types that notes can be added to.
pub const SUBJECTS: [&str; 5] = [
    TopicId::TYPE,
    ActionItemId::TYPE,
    PublicationId::TYPE,
    ExaminationId::TYPE,
    LiaisonStatementId::TYPE,
];

/// Returns the type that an id prefix belongs to, if notes can be added to it.
pub fn subject(prefix: Option<&str>) -> Result<&'static str, String> {
    let found = prefix.and_then(type_of);
    if let Some(ty) = found.filter(|ty| SUBJECTS.contains(ty)) {
        return Ok(ty);
    }
    let found = match found {
        Some(ty) => format!("This is the id of a record of type {ty}."),
        None => "This is not an id of the register.".to_owned(),
    };
    Err(format!(
        "{found} Notes are added to topics, action items, publications, examinations and liaison statements."
    ))
}

/// Checks that `party` may retract a note of `author`.
pub fn retract(party: Party, author: Party, retracted: bool) -> Decision {
    if party != author {
        return Err(Rejection::forbidden(
            "Only the party that added a note can retract it.",
        ));
    }
    if retracted {
        return Err(Rejection::not_now("The note is retracted already."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::decision_table::{PARTIES, cell, name, row};

    #[test]
    fn who_may_retract_a_note() {
        let mut table = String::new();
        row(
            &mut table,
            ["note of", "retracted", "ITU", "UPU", "TSB"].map(|column| (column, 10)),
        );
        for author in PARTIES {
            for retracted in [false, true] {
                let [itu, upu, tsb] = PARTIES.map(|party| cell(&retract(party, author, retracted)));
                let state = if retracted { "yes" } else { "no" };
                let author = name(Some(author));
                let cells = [author.as_str(), state, itu, upu, tsb];
                row(&mut table, cells.map(|cell| (cell, 10)));
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn notes_are_added_to_five_types() {
        for prefix in ["topic", "item", "publication", "examination", "statement"] {
            assert!(subject(Some(prefix)).is_ok(), "{prefix}");
        }
        for prefix in ["committee", "org", "note", "activity", "nothing"] {
            assert!(subject(Some(prefix)).is_err(), "{prefix}");
        }
        assert!(subject(None).is_err());
    }
}
