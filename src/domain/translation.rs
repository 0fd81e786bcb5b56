//! Rules for translations: which texts can be translated, and by whom.

use entity::party::{Language, Party, Side};
use entity::permission::Permission;
use entity::translation::{TranslatableField, TranslationKind};
use entity::word::enum_name;

use crate::domain::rejection::{Decision, Rejection};
use crate::domain::{committee, organization, text};

/// A record whose texts can be translated, with the facts that the rules depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TranslatedRecord {
    Organization {
        /// `None` for a partner.
        side: Option<Side>,
    },
    Committee {
        /// Side of its organization; `None` for a partner.
        side: Option<Side>,
        /// The party that acts for it; `None` for a partner's committee.
        party: Option<Party>,
    },
    Topic,
    ActionItem {
        owned_by: Party,
    },
    Publication {
        /// Side of its organization; `None` for a partner.
        side: Option<Side>,
    },
}

impl TranslatedRecord {
    /// Returns the fields whose texts can be translated.
    #[must_use]
    pub const fn fields(&self) -> &'static [TranslatableField] {
        use TranslatableField::{Description, Mandate, Name, Summary, Title};
        match self {
            Self::Organization { .. } => &[Name],
            Self::Committee { .. } => &[Name, Mandate],
            Self::Topic => &[Title, Summary],
            Self::ActionItem { .. } => &[Title, Description],
            Self::Publication { .. } => &[Title],
        }
    }
}

/// Returns the maximum length of a text in characters, for originals and translations alike.
#[must_use]
pub const fn max_length(field: TranslatableField) -> usize {
    match field {
        TranslatableField::Name | TranslatableField::Title => text::MAX_NAME_LENGTH,
        TranslatableField::Mandate
        | TranslatableField::Summary
        | TranslatableField::Description => text::MAX_TEXT_LENGTH,
    }
}

/// Checks that `party` may set and take back translations of a record's texts.
pub fn translate(party: Party, record: &TranslatedRecord) -> Decision {
    match *record {
        TranslatedRecord::Organization { side } => {
            organization::write(party, &organization::OrganizationFacts { side })
        }
        TranslatedRecord::Committee {
            side,
            party: acting,
        } => committee::write(party, side, acting),
        TranslatedRecord::Topic => Ok(()),
        TranslatedRecord::ActionItem { owned_by } if party == owned_by => Ok(()),
        TranslatedRecord::ActionItem { .. } => Err(Rejection::forbidden(
            "The texts of an action item are translated by the party of its owner.",
        )),
        TranslatedRecord::Publication { side } if side.is_some() && party.side() == side => Ok(()),
        TranslatedRecord::Publication { .. } => Err(Rejection::forbidden(
            "The title of a publication is translated by the side of its organization.",
        )),
    }
}

/// Returns TRANSLATE if `party` may translate the record's texts.
#[must_use]
pub fn permission(party: Party, record: &TranslatedRecord) -> Option<Permission> {
    translate(party, record)
        .is_ok()
        .then_some(Permission::Translate)
}

/// Checks that a record has a field with a text to translate.
pub fn validate_field(
    record: &TranslatedRecord,
    field: TranslatableField,
    original: Option<&str>,
) -> Result<(), String> {
    if record.fields().contains(&field) {
        return match original {
            Some(_) => Ok(()),
            None => Err("The record has no text there that could be translated.".to_owned()),
        };
    }
    let fields = record.fields().iter().map(|field| enum_name(*field));
    Err(format!(
        "This record has no such text: it can be translated in {}.",
        fields.collect::<Vec<_>>().join(" and ")
    ))
}

/// Checks that a translation is into another language than the original.
pub fn validate_language(language: Language, original: Language) -> Result<(), String> {
    if language == original {
        Err(format!(
            "The original is in {}: change it with the update of the record.",
            enum_name(original)
        ))
    } else {
        Ok(())
    }
}

/// Checks that a translation has a kind: a new one, or one that it replaces.
pub fn validate_kind(kind: Option<TranslationKind>) -> Result<(), String> {
    match kind {
        Some(_) => Ok(()),
        None => Err("A new translation needs its kind: OFFICIAL, COURTESY or MACHINE.".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::decision_table::{PARTIES, SIDES, cell, exchanged, name, row};

    /// All records by name.
    fn records() -> Vec<(String, TranslatedRecord)> {
        let mut records = vec![("topic".to_owned(), TranslatedRecord::Topic)];
        for side in SIDES {
            let label = name(side);
            records.push((
                format!("organization of {label}"),
                TranslatedRecord::Organization { side },
            ));
            records.push((
                format!("publication of {label}"),
                TranslatedRecord::Publication { side },
            ));
            let party = side.map(Side::party);
            records.push((
                format!("committee of {label}"),
                TranslatedRecord::Committee { side, party },
            ));
        }
        let of_tsb = TranslatedRecord::Committee {
            side: Some(Side::Itu),
            party: Some(Party::Tsb),
        };
        records.push(("committee of TSB".to_owned(), of_tsb));
        for owned_by in PARTIES {
            records.push((
                format!("action item of {}", name(Some(owned_by))),
                TranslatedRecord::ActionItem { owned_by },
            ));
        }
        records
    }

    #[test]
    fn who_may_translate_what() {
        let mut table = String::new();
        let head = ["record", "ITU", "UPU", "TSB"];
        row(&mut table, head.map(|column| (column, 22)));
        for (label, record) in records() {
            let [itu, upu, tsb] = PARTIES.map(|party| {
                let decision = translate(party, &record);
                assert_eq!(decision.is_ok(), permission(party, &record).is_some());
                cell(&decision)
            });
            row(
                &mut table,
                [(label.as_str(), 22), (itu, 22), (upu, 22), (tsb, 22)],
            );
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn the_sides_are_equal() {
        let mirrored = |record: TranslatedRecord| {
            let other = |side: Option<Side>| side.map(Side::other);
            match record {
                TranslatedRecord::Organization { side } => {
                    TranslatedRecord::Organization { side: other(side) }
                }
                TranslatedRecord::Committee { side, party } => TranslatedRecord::Committee {
                    side: other(side),
                    party: party.map(exchanged),
                },
                TranslatedRecord::Topic => TranslatedRecord::Topic,
                TranslatedRecord::ActionItem { owned_by } => TranslatedRecord::ActionItem {
                    owned_by: exchanged(owned_by),
                },
                TranslatedRecord::Publication { side } => {
                    TranslatedRecord::Publication { side: other(side) }
                }
            }
        };
        for (label, record) in records() {
            for party in [Party::Itu, Party::Upu] {
                assert_eq!(
                    translate(party, &record).is_ok(),
                    translate(exchanged(party), &mirrored(record)).is_ok(),
                    "{label}"
                );
            }
        }
    }

    #[test]
    fn texts_that_are_not_there_and_the_original_language_cannot_be_translated() {
        let committee = TranslatedRecord::Committee {
            side: None,
            party: None,
        };
        let mandate = TranslatableField::Mandate;
        assert!(validate_field(&committee, mandate, Some("M")).is_ok());
        assert!(validate_field(&committee, mandate, None).is_err());
        assert!(validate_field(&committee, TranslatableField::Title, Some("T")).is_err());
        assert!(validate_language(Language::Fr, Language::En).is_ok());
        assert!(validate_language(Language::Fr, Language::Fr).is_err());
    }

    #[test]
    fn a_translation_has_a_kind() {
        assert!(validate_kind(Some(TranslationKind::Machine)).is_ok());
        assert!(validate_kind(None).is_err());
    }
}
