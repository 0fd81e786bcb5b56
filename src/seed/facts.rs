//! The format of `register.json`. Its events are not loaded.

use chrono::{Datelike, NaiveDate};
use entity::action_item::{ActionItemStatus, Priority};
use entity::committee::CommitteeKind;
use entity::organization::OrganizationKind;
use entity::party::{Language, Party, Side};
use entity::provision::ProvisionSection;
use entity::publication::{PublicationKind, PublicationStatus};
use entity::translation::TranslationKind;
use serde::{Deserialize, Deserializer};

#[derive(Deserialize)]
pub struct Facts {
    pub organizations: Vec<Organization>,
    pub mandates: Vec<Mandate>,
    pub committees: Vec<Committee>,
    pub topics: Vec<Topic>,
    pub action_items: Vec<ActionItem>,
    pub publications: Vec<Publication>,
    /// Pairs of publication numbers.
    pub related_publications: Vec<[String; 2]>,
    #[serde(default)]
    pub translations: Vec<Translation>,
}

#[derive(Deserialize)]
pub struct Organization {
    pub acronym: String,
    pub name: String,
    pub name_fr: Option<String>,
    #[serde(deserialize_with = "word")]
    pub kind: OrganizationKind,
    #[serde(deserialize_with = "some_word")]
    pub side: Option<Side>,
    pub parent: Option<String>,
    /// The language of the name, if it is not English.
    #[serde(default, deserialize_with = "some_word")]
    pub original_language: Option<Language>,
}

#[derive(Deserialize)]
pub struct Mandate {
    pub code: String,
    pub title: String,
    pub edition: String,
    pub history: Vec<String>,
    pub provisions: Vec<Provision>,
}

#[derive(Deserialize)]
pub struct Provision {
    #[serde(deserialize_with = "word")]
    pub section: ProvisionSection,
    pub letter: Option<String>,
    pub summary: String,
}

#[derive(Deserialize)]
pub struct Committee {
    pub organization: String,
    pub code: String,
    pub period: String,
    pub name: String,
    #[serde(deserialize_with = "word")]
    pub kind: CommitteeKind,
    /// Code of the parent committee, in the same organization and period.
    pub parent: Option<String>,
    pub mandate: Option<String>,
    pub starts_on: Option<NaiveDate>,
    pub ends_on: Option<NaiveDate>,
    #[serde(default)]
    pub concluded: bool,
    /// By code and period: of the same organization.
    #[serde(default)]
    pub predecessors: Vec<String>,
    /// Whether its name was found in a text of its organization.
    #[serde(default)]
    pub confirmed: bool,
    /// What a reader of the register should know about it.
    pub remark: Option<String>,
}

/// A topic. Committees are referred to by organization, code and period.
#[derive(Deserialize)]
pub struct Topic {
    pub title: String,
    pub summary: String,
    /// References by section and letter.
    pub provisions: Vec<String>,
    pub itu_lead: Option<String>,
    pub upu_lead: Option<String>,
    #[serde(default)]
    pub itu_contributing: Vec<String>,
    /// What a reader of the register should know about it.
    pub remark: Option<String>,
}

#[derive(Deserialize)]
pub struct ActionItem {
    pub key: String,
    pub topic: String,
    #[serde(deserialize_with = "word")]
    pub asked_by: Party,
    pub owner: String,
    pub counterpart: Option<String>,
    pub title: String,
    pub description: Option<String>,
    #[serde(deserialize_with = "word")]
    pub priority: Priority,
    /// Relative to the day of loading, so that some items are always overdue.
    pub due_in_days: Option<i64>,
    pub moves: Vec<Move>,
}

#[derive(Deserialize)]
pub struct Move {
    #[serde(deserialize_with = "word")]
    pub by: Party,
    #[serde(deserialize_with = "word")]
    pub to: ActionItemStatus,
    pub note: Option<String>,
}

#[derive(Deserialize)]
pub struct Publication {
    pub number: String,
    pub title: String,
    #[serde(deserialize_with = "word")]
    pub kind: PublicationKind,
    #[serde(deserialize_with = "some_word")]
    pub status: Option<PublicationStatus>,
    pub publisher_status: Option<String>,
    pub organization: String,
    /// Its code.
    pub committee: Option<String>,
    /// By default the one that the day of approval falls in.
    pub committee_period: Option<String>,
    pub approved_on: Option<NaiveDate>,
    pub url: Option<String>,
    /// Number of the previous edition, which must come earlier in the file.
    pub supersedes: Option<String>,
    /// The titles of the topics that it is about.
    #[serde(default)]
    pub topics: Vec<String>,
}

/// The name of a record in another language. Those of general terms (`term`), and of records that the register does not
/// have (`remark`), are in the file too, and are not loaded.
#[derive(Deserialize)]
pub struct Translation {
    /// The acronym of an organization.
    pub organization: Option<String>,
    /// Committees by organization, code and period.
    #[serde(default)]
    pub committees: Vec<String>,
    /// The title of a topic.
    pub topic: Option<String>,
    #[serde(deserialize_with = "word")]
    pub language: Language,
    pub text: String,
    pub confidence: Confidence,
}

/// Where a fact was found.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// In a text of the organization itself.
    Official,
    /// In a text of another author.
    Secondary,
    Unconfirmed,
}

impl Translation {
    /// Returns the kind that the register shows; `None` for what is unconfirmed, which is not loaded.
    #[must_use]
    pub const fn kind(&self) -> Option<TranslationKind> {
        match self.confidence {
            Confidence::Official => Some(TranslationKind::Official),
            Confidence::Secondary => Some(TranslationKind::Courtesy),
            Confidence::Unconfirmed => None,
        }
    }
}

impl Facts {
    /// Reads facts in the form of `register.json`.
    ///
    /// # Errors
    /// Returns an error if the text has another form.
    pub fn parse(json: &str) -> serde_json::Result<Self> {
        serde_json::from_str(json)
    }

    /// Returns the facts that come with the program.
    ///
    /// # Panics
    /// Panics if the file that was built in has another form; a test reads it.
    #[must_use]
    pub fn built_in() -> Self {
        Self::parse(include_str!("register.json"))
            .expect("a test has read the file that is built in")
    }
}

impl Committee {
    /// Returns what it was set up to do, and what is not certain about it; `None` if there is nothing to say.
    #[must_use]
    pub fn description(&self) -> Option<String> {
        let unconfirmed = "Unconfirmed: its name was not found in a text of its organization.";
        let parts = [
            self.mandate.as_deref(),
            self.remark.as_deref(),
            (!self.confirmed).then_some(unconfirmed),
        ];
        let parts: Vec<&str> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    }
}

/// An enum's value by the word that tables and API have for it.
fn word<'de, D: Deserializer<'de>, E: sea_orm::ActiveEnum<Value = String>>(
    deserializer: D,
) -> Result<E, D::Error> {
    let word = String::deserialize(deserializer)?;
    E::try_from_value(&word).map_err(serde::de::Error::custom)
}

fn some_word<'de, D: Deserializer<'de>, E: sea_orm::ActiveEnum<Value = String>>(
    deserializer: D,
) -> Result<Option<E>, D::Error> {
    let word = Option::<String>::deserialize(deserializer)?;
    word.map(|name| E::try_from_value(&name).map_err(serde::de::Error::custom))
        .transpose()
}

/// Returns whether a day is within a period that is named by its years, such as `2013-2016`.
pub(super) fn falls_in(day: NaiveDate, period: &str) -> bool {
    let years = period.split_once('-');
    let years = years.and_then(|(first, last)| Some(first.parse().ok()?..=last.parse().ok()?));
    years.is_some_and(|years| years.contains(&day.year()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_file_can_be_parsed() {
        let facts = Facts::built_in();
        assert_eq!(facts.committees.len(), 96);
        assert_eq!(facts.topics.len(), 8);
        assert_eq!(facts.translations.len(), 104);
    }

    #[test]
    fn a_translation_that_is_not_loaded_says_why() {
        #[derive(Deserialize)]
        struct File {
            translations: Vec<Reasons>,
        }
        #[derive(Deserialize)]
        struct Reasons {
            term: Option<String>,
            remark: Option<String>,
        }
        let facts = Facts::built_in();
        let file: File = serde_json::from_str(include_str!("register.json")).unwrap();
        let committees: Vec<String> = facts
            .committees
            .iter()
            .map(|committee| {
                format!(
                    "{} {} {}",
                    committee.organization, committee.code, committee.period
                )
            })
            .collect();
        let (mut loaded, mut originals) = (0, 0);
        let (mut terms, mut unconfirmed, mut unknown) = (0, 0, 0);
        for (fact, why) in facts.translations.iter().zip(&file.translations) {
            let named = fact.organization.as_ref().and_then(|acronym| {
                facts
                    .organizations
                    .iter()
                    .find(|organization| organization.acronym == *acronym)
            });
            let is_known = named.is_some()
                || facts
                    .topics
                    .iter()
                    .any(|topic| Some(&topic.title) == fact.topic.as_ref())
                || (!fact.committees.is_empty()
                    && fact.committees.iter().all(|name| committees.contains(name)));
            let original = named.and_then(|organization| organization.original_language);
            let is_original = fact.language == original.unwrap_or(Language::En);
            match () {
                () if why.term.is_some() => terms += 1,
                () if fact.kind().is_none() => unconfirmed += 1,
                () if !is_known => {
                    assert!(why.remark.is_some(), "{}", fact.text);
                    unknown += 1;
                }
                () if is_original => originals += 1,
                () => loaded += 1,
            }
        }
        assert_eq!((loaded, originals), (70, 11));
        assert_eq!((terms, unconfirmed, unknown), (12, 6, 5));
    }
}
