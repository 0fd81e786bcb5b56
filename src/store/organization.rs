//! Organizations.

use async_graphql::{ID, InputObject, MaybeUndefined};
use chrono::{DateTime, Utc};
use entity::activity::ActivityVerb;
use entity::id::OrganizationId;
use entity::organization::{ActiveModel, Entity, Model, OrganizationKind};
use entity::party::{Language, Side};
use entity::scalar::Url;
use entity::word::enum_name;
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel};

use super::activity::{ActivityEntry, ChangeSet};
use crate::domain::collation::collation_key;
use crate::domain::organization as rules;
use crate::domain::text::{self, natural_key, search_text};
use crate::domain::validation_errors::ValidationErrors;
use crate::domain::version::check_version;
use crate::domain::viewer::Viewer;
use crate::error::Result;
use crate::store::idempotency::{CreateInput, Idempotency};
use crate::store::transaction::WriteTransaction;
use crate::store::{Database, resolve, translation};

/// A new organization. ITU and UPU create their own; the TSB creates those of ITU and of partners.
#[derive(Clone, Debug, InputObject)]
pub struct OrganizationCreateInput {
    /// Its acronym, unique; at most 32 characters. It can never be changed. Example: `ITU-T`.
    pub acronym: String,
    /// Its full name in `language`; at most 500 characters.
    pub name: String,
    /// What kind of organization it is; PARTNER for an organization outside the two unions.
    pub kind: OrganizationKind,
    /// The side that it belongs to. Required, except for a PARTNER, which has none.
    pub side: Option<Side>,
    /// The id of the organization that it is part of, of the same side. Default: none.
    pub parent_id: Option<ID>,
    /// Its website. Default: null, not known.
    pub website: Option<Url>,
    /// The language of `name`.
    #[graphql(
        default_with = "Some(Language::En)",
        process_with = "crate::store::resolve::english_if_null"
    )]
    pub language: Option<Language>,
    #[graphql(flatten)]
    pub idempotency: Idempotency,
}

/// Changes to an organization. A field that is left out keeps its value.
#[derive(Clone, Debug, Default, PartialEq, InputObject)]
pub struct OrganizationUpdateInput {
    /// The id of the organization.
    pub id: ID,
    /// The `version` of the record that the change is based on. If the record has another version by now, nothing is changed and `userErrors` has the error STALE.
    pub version: i32,
    /// Its full name; at most 500 characters, in the record's `originalLanguage`. Cannot be null.
    pub name: MaybeUndefined<String>,
    /// Its website. Null removes it.
    pub website: MaybeUndefined<Url>,
}

impl CreateInput for OrganizationCreateInput {
    const MUTATION: &'static str = "organizationCreate";
    type Id = OrganizationId;

    fn idempotency(&self) -> &Idempotency {
        &self.idempotency
    }

    async fn make(self, writing: &mut WriteTransaction) -> Result<OrganizationId> {
        make(writing, self).await
    }
}

async fn make(
    writing: &mut WriteTransaction,
    input: OrganizationCreateInput,
) -> Result<OrganizationId> {
    let side = input.side;
    rules::write(writing.party(), &rules::OrganizationFacts { side })?;

    let mut problems = ValidationErrors::default();
    let acronym = problems.identifier("acronym", &input.acronym, text::MAX_CODE_LENGTH);
    let name = problems.text("name", &input.name, text::MAX_NAME_LENGTH);
    problems.check("side", rules::validate_kind(input.kind, side));
    let parent = input.parent_id.as_ref();
    let parent =
        resolve::named::<Entity, OrganizationId>(writing.db(), &mut problems, "parentId", parent)
            .await?;
    if let Some(parent) = &parent {
        problems.check("parentId", rules::validate_parent(side, parent.side));
    }
    problems.into_result()?;

    let id = writing.new_id();
    let website = input.website.map(|url| url.0);
    let mut changes = ChangeSet::default();
    changes.added("acronym", acronym.clone());
    changes.added("name", name.clone());
    changes.added("kind", enum_name(input.kind));
    changes.added("side", side.map(enum_name));
    changes.added(
        "parent",
        parent.as_ref().map(|parent| parent.acronym.clone()),
    );
    changes.added("website", website.clone());
    let in_use = format!("There is an organization with the acronym {acronym} already.");
    let language = input.language.unwrap_or(Language::En);
    let row = ActiveModel {
        id: Set(id),
        acronym_key: Set(natural_key(&acronym)),
        name_key: Set(collation_key(&name, language)),
        folded: Set(folded(&acronym, &name)),
        acronym: Set(acronym),
        name: Set(name),
        kind: Set(input.kind),
        side: Set(side),
        website: Set(website),
        parent_id: Set(parent.map(|parent| parent.id)),
        original_language: Set(language),
        version: Set(1),
        created_at: Set(writing.now()),
        updated_at: Set(writing.now()),
    };
    Entity::insert(row)
        .exec_without_returning(writing.db())
        .await
        .map_err(|error| resolve::unique_violation(error, "acronym", in_use))?;
    let entry = ActivityEntry::new(ActivityVerb::Created, id, changes).of_side(side);
    writing.log(entry).await?;
    Ok(id)
}

pub async fn update(
    db: &Database,
    viewer: &Viewer,
    now: DateTime<Utc>,
    input: OrganizationUpdateInput,
) -> Result<OrganizationId> {
    let mut writing = WriteTransaction::begin(db, viewer.actor()?, now).await?;
    let id = change(&mut writing, input).await?;
    writing.commit().await?;
    Ok(id)
}

/// Updates an organization as part of a write.
pub async fn change(
    writing: &mut WriteTransaction,
    input: OrganizationUpdateInput,
) -> Result<OrganizationId> {
    let before: Model =
        resolve::load_target::<Entity, OrganizationId>(writing.db(), "id", &input.id).await?;
    let decision = rules::write(
        writing.party(),
        &rules::OrganizationFacts { side: before.side },
    );
    check_version(decision, before.id, before.version, input.version)?;

    let mut problems = ValidationErrors::default();
    let mut after = before.clone();
    after.name = resolve::required_text_or_current(
        &mut problems,
        "name",
        input.name,
        text::MAX_NAME_LENGTH,
        &before.name,
    );
    after.website = resolve::optional_or_current(input.website, before.website.clone().map(Url))
        .map(|url| url.0);
    problems.into_result()?;

    let mut changes = ChangeSet::default();
    changes.add("name", Some(before.name), Some(after.name.clone()));
    changes.add("website", before.website, after.website.clone());
    if changes.is_empty() {
        return Ok(after.id);
    }
    let (id, side) = (after.id, after.side);
    let row = ActiveModel {
        name_key: Set(collation_key(&after.name, after.original_language)),
        folded: Set(folded(&after.acronym, &after.name)),
        version: Set(after.version + 1),
        updated_at: Set(writing.now()),
        ..after.into_active_model().reset_all()
    };
    Entity::update(row).exec(writing.db()).await?;
    translation::mark_outdated(writing, id, &mut changes).await?;
    let entry = ActivityEntry::new(ActivityVerb::Updated, id, changes).of_side(side);
    writing.log(entry).await?;
    Ok(id)
}

/// Returns the search text of an organization.
#[must_use]
pub fn folded(acronym: &str, name: &str) -> String {
    search_text(&[acronym, name])
}
