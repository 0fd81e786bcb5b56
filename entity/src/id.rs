//! One id type per table, and its public form: a `TypeID`, whose prefix names the type.

use std::fmt;

pub use sea_orm::prelude::Uuid;
use sea_orm::{DbErr, DeriveValueType, TryFromU64};

/// GraphQL name of the interface that all types with an id implement.
pub const NODE: &str = "Node";

/// GraphQL name of the union of all types that a search finds.
pub const SEARCH_RESULT: &str = "SearchResult";

/// An id type of one table.
pub trait Id: Copy + Into<Uuid> + From<Uuid> {
    /// Part of the public form before the last underscore.
    const PREFIX: &'static str;
    /// GraphQL name of the type that the id belongs to.
    const TYPE: &'static str;

    /// Returns the public form of the id: the prefix, an underscore and 26 base-32 digits.
    fn to_global_id(self) -> String {
        let mut text = String::with_capacity(Self::PREFIX.len() + 27);
        text.push_str(Self::PREFIX);
        text.push('_');
        push_base32(&mut text, self.into());
        text
    }

    /// Parses the public form of an id.
    ///
    /// # Errors
    /// Returns an error if the text is not an id, or is the id of another type.
    fn parse(text: &str) -> Result<Self, InvalidId> {
        match split(text) {
            Some((prefix, key)) if prefix == Self::PREFIX => Ok(key.into()),
            Some((prefix, _)) => Err(InvalidId {
                found: type_of(prefix),
                expected: Self::TYPE,
                prefix: Self::PREFIX,
            }),
            None => Err(InvalidId {
                found: None,
                expected: Self::TYPE,
                prefix: Self::PREFIX,
            }),
        }
    }
}

/// Parse error of an id. Its `Display` is a message for clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidId {
    found: Option<&'static str>,
    expected: &'static str,
    prefix: &'static str,
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            found,
            expected,
            prefix,
        } = self;
        match found {
            Some(found) => write!(f, "This is the id of {} {found}. ", article(found))?,
            None => f.write_str("This is not an id of the register. ")?,
        }
        let article = article(expected);
        write!(f, "The id of {article} {expected} starts with `{prefix}_`.")
    }
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['A', 'E', 'I', 'O', 'U']) {
        "an"
    } else {
        "a"
    }
}

/// Splits a public id of any type into its prefix and key; `None` if it is malformed or has an unknown prefix.
#[must_use]
pub fn split(text: &str) -> Option<(&str, Uuid)> {
    let (prefix, suffix) = text.rsplit_once('_')?;
    type_of(prefix)?;
    let digits: &[u8; 26] = suffix.as_bytes().try_into().ok()?;
    let mut key = 0_u128;
    // 26 digits hold 130 bits: the first may use only three of its five.
    if digits[0] > b'7' {
        return None;
    }
    for digit in digits {
        let value = ALPHABET.iter().position(|symbol| symbol == digit)?;
        key = key << 5 | value as u128;
    }
    Some((prefix, Uuid::from_u128(key)))
}

/// Crockford's base 32 alphabet as `TypeID` uses it: lower case, without i, l, o and u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Appends the 26 base-32 digits of a key.
pub fn push_base32(text: &mut String, key: Uuid) {
    let key = key.as_u128();
    for digit_index in (0..26).rev() {
        text.push(ALPHABET[(key >> (digit_index * 5)) as usize & 31] as char);
    }
}

macro_rules! ids {
    ($($name:ident $prefix:literal $type:literal)*) => {
        $(
            #[doc = concat!("The key of a ", $type, ".")]
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, DeriveValueType)]
            pub struct $name(pub Uuid);

            impl Id for $name {
                const PREFIX: &'static str = $prefix;
                const TYPE: &'static str = $type;
            }

            impl From<Uuid> for $name {
                fn from(key: Uuid) -> Self {
                    Self(key)
                }
            }

            impl From<$name> for Uuid {
                fn from(id: $name) -> Self {
                    id.0
                }
            }

            // SeaORM requires this of every primary key type, though only integer keys can implement it.
            impl TryFromU64 for $name {
                fn try_from_u64(_: u64) -> Result<Self, DbErr> {
                    Err(DbErr::ConvertFromU64(stringify!($name)))
                }
            }
        )*

        /// The GraphQL types that have ids.
        pub const TYPES: &[&str] = &[$($type),*];

        /// Returns the GraphQL type that ids with this prefix belong to; `None` if the prefix is unknown.
        #[must_use]
        pub fn type_of(prefix: &str) -> Option<&'static str> {
            match prefix {
                $($prefix => Some($type),)*
                _ => None,
            }
        }

        /// Returns the id prefix of a GraphQL type; `None` if the type has no ids.
        #[must_use]
        pub fn prefix_of(name: &str) -> Option<&'static str> {
            match name {
                $($type => Some($prefix),)*
                _ => None,
            }
        }
    };
}

ids! {
    OrganizationId "org" "Organization"
    CommitteeId "committee" "Committee"
    MandateId "mandate" "Mandate"
    ProvisionId "provision" "Provision"
    TopicId "topic" "Topic"
    ActionItemId "item" "ActionItem"
    PublicationId "publication" "Publication"
    ExaminationId "examination" "Examination"
    LiaisonStatementId "statement" "LiaisonStatement"
    NoteId "note" "Note"
    ActivityId "activity" "Activity"
    WebhookId "webhook" "Webhook"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_as_the_typeid_specification_defines() {
        let key = Uuid::from_u128(0x0189_0a5d_ac96_774b_bcce_b302_099a_8057);
        let id = TopicId(key);
        assert_eq!(id.to_global_id(), "topic_01h455vb4pex5vsknk084sn02q");
        assert_eq!(TopicId::parse(&id.to_global_id()), Ok(id));
        for key in [Uuid::nil(), Uuid::max()] {
            assert_eq!(
                TopicId::parse(&TopicId(key).to_global_id()),
                Ok(TopicId(key))
            );
        }
    }

    #[test]
    fn an_invalid_id_reports_the_expected_form() {
        for text in [
            "",
            "topic",
            "topic_",
            "topic_01H455VB4PEX5VSKNK084SN02Q",
            "topic_81h455vb4pex5vsknk084sn02q",
            "topic_01h455vb4pex5vsknk084sn02",
            "topic_01h455vb4pex5vsknk084sn02é",
            "nothing_01h455vb4pex5vsknk084sn02q",
        ] {
            assert!(TopicId::parse(text).is_err(), "{text}");
        }
        let of_a_committee = CommitteeId(Uuid::nil()).to_global_id();
        let error = TopicId::parse(&of_a_committee).expect_err("another type");
        assert_eq!(
            error.to_string(),
            "This is the id of a Committee. The id of a Topic starts with `topic_`."
        );
    }
}
