//! Committees.

use async_graphql::{ID, InputObject, MaybeUndefined};
use chrono::{DateTime, NaiveDate, Utc};
use entity::activity::ActivityVerb;
use entity::committee::{ActiveModel, CommitteeKind, CommitteeStatus, Entity, Model};
use entity::id::{CommitteeId, OrganizationId};
use entity::organization;
use entity::party::Language;
use entity::scalar::Date;
use entity::word::enum_name;
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter,
};

use super::activity::{ActivityEntry, ChangeSet};
use crate::domain::collation::collation_key;
use crate::domain::committee as rules;
use crate::domain::organization::validate_parent;
use crate::domain::text::{self, natural_key, search_text};
use crate::domain::validation_errors::ValidationErrors;
use crate::domain::version::check_version;
use crate::domain::viewer::Viewer;
use crate::error::Result;
use crate::store::idempotency::{CreateInput, Idempotency};
use crate::store::transaction::WriteTransaction;
use crate::store::{Database, resolve, translation};

mod conclude;
mod predecessors;

pub use conclude::{CommitteeConcludeInput, conclude};

/// A new committee. ITU and UPU create their own; the TSB creates those of ITU and of partners.
#[derive(Clone, Debug, InputObject)]
pub struct CommitteeCreateInput {
    /// The id of the organization that it belongs to.
    pub organization_id: ID,
    /// Its short name, unique with organization and period; at most 32 characters. It can never be changed. Example: `SG17`.
    pub code: String,
    /// The label of its study period or cycle; at most 32 characters. It can never be changed. Example: `2025-2028`.
    pub period: String,
    /// Its full name in `language`; at most 500 characters.
    pub name: String,
    /// What kind of body it is.
    pub kind: CommitteeKind,
    /// The id of the committee that it is part of, of the same side. Default: none.
    pub parent_id: Option<ID>,
    /// What it is set up to do; at most 8,000 characters. Default: null, not known.
    pub mandate: Option<String>,
    /// Its first day, which can differ from the label of the period. Default: null, not known.
    pub starts_on: Option<Date>,
    /// Its last day, not before `startsOn`. Default: null, not known.
    pub ends_on: Option<Date>,
    /// The ids of the committees whose work it takes over, at most 20. Default: none.
    pub predecessor_ids: Option<Vec<ID>>,
    /// The language of the texts in this input.
    #[graphql(
        default_with = "Some(Language::En)",
        process_with = "crate::store::resolve::english_if_null"
    )]
    pub language: Option<Language>,
    #[graphql(flatten)]
    pub idempotency: Idempotency,
}

/// Changes to a committee. A field that is left out keeps its value.
#[derive(Clone, Debug, Default, PartialEq, InputObject)]
pub struct CommitteeUpdateInput {
    /// The id of the committee.
    pub id: ID,
    /// The `version` of the record that the change is based on. If the record has another version by now, nothing is changed and `userErrors` has the error STALE.
    pub version: i32,
    /// Its full name; at most 500 characters, in the record's `originalLanguage`. Cannot be null.
    pub name: MaybeUndefined<String>,
    /// What it is set up to do; at most 8,000 characters, in the record's `originalLanguage`. Null removes it.
    pub mandate: MaybeUndefined<String>,
    /// Its first day. Null: not known.
    pub starts_on: MaybeUndefined<Date>,
    /// Its last day, not before `startsOn`. Null: not known.
    pub ends_on: MaybeUndefined<Date>,
    /// The ids of all committees whose work it took over, at most 20. Null or an empty list: none.
    pub predecessor_ids: MaybeUndefined<Vec<ID>>,
}

impl CreateInput for CommitteeCreateInput {
    const MUTATION: &'static str = "committeeCreate";
    type Id = CommitteeId;

    fn idempotency(&self) -> &Idempotency {
        &self.idempotency
    }

    async fn make(self, writing: &mut WriteTransaction) -> Result<CommitteeId> {
        make(writing, self).await
    }
}

async fn make(writing: &mut WriteTransaction, input: CommitteeCreateInput) -> Result<CommitteeId> {
    let organization = resolve::load_target::<organization::Entity, OrganizationId>(
        writing.db(),
        "organizationId",
        &input.organization_id,
    )
    .await?;
    let side = organization.side;
    let party = rules::party_of(&organization.acronym, side);
    rules::write(writing.party(), side, party)?;

    let mut problems = ValidationErrors::default();
    let code = problems.identifier("code", &input.code, text::MAX_CODE_LENGTH);
    let period = problems.identifier("period", &input.period, text::MAX_CODE_LENGTH);
    let name = problems.text("name", &input.name, text::MAX_NAME_LENGTH);
    let parent = input.parent_id.as_ref();
    let parent =
        resolve::named::<Entity, CommitteeId>(writing.db(), &mut problems, "parentId", parent)
            .await?;
    if let Some(parent) = &parent {
        problems.check("parentId", validate_parent(side, parent.side));
    }
    let mandate =
        problems.optional_text("mandate", input.mandate.as_deref(), text::MAX_TEXT_LENGTH);
    let [starts_on, ends_on] = [input.starts_on, input.ends_on].map(|date| date.map(|date| date.0));
    problems.check("endsOn", rules::validate_dates(starts_on, ends_on));
    let id: CommitteeId = writing.new_id();
    let predecessors = input.predecessor_ids.unwrap_or_default();
    let predecessors = predecessors::listed(writing.db(), &mut problems, &predecessors, id).await?;
    problems.into_result()?;

    let mut changes = ChangeSet::default();
    changes.added("organization", organization.acronym.clone());
    changes.added("code", code.clone());
    changes.added("period", period.clone());
    changes.added("name", name.clone());
    changes.added("kind", enum_name(input.kind));
    if let Some(parent) = &parent {
        changes.added("parent", label(writing.db(), parent).await?);
    }
    changes.added("mandate", mandate.clone());
    changes.added("startsOn", starts_on.map(|date| date.to_string()));
    changes.added("endsOn", ends_on.map(|date| date.to_string()));
    changes.added(
        "predecessors",
        predecessors::labels(writing.db(), &predecessors).await?,
    );
    let in_use = format!(
        "{} has a committee {code} in the period {period} already.",
        organization.acronym
    );
    let language = input.language.unwrap_or(Language::En);
    let row = ActiveModel {
        id: Set(id),
        organization_id: Set(organization.id),
        code_key: Set(natural_key(&format!("{code} {period}"))),
        name_key: Set(collation_key(&name, language)),
        folded: Set(folded(&code, &period, &name, mandate.as_deref())),
        code: Set(code),
        period: Set(period),
        name: Set(name),
        mandate: Set(mandate),
        kind: Set(input.kind),
        status: Set(CommitteeStatus::Active),
        side: Set(side),
        party: Set(party),
        starts_on: Set(starts_on),
        ends_on: Set(ends_on),
        parent_id: Set(parent.map(|parent| parent.id)),
        original_language: Set(language),
        version: Set(1),
        created_at: Set(writing.now()),
        updated_at: Set(writing.now()),
    };
    Entity::insert(row)
        .exec_without_returning(writing.db())
        .await
        .map_err(|error| resolve::unique_violation(error, "code", in_use))?;
    predecessors::insert(writing.db(), id, &predecessors).await?;
    let entry = ActivityEntry::new(ActivityVerb::Created, id, changes).of_side(side);
    writing.log(entry).await?;
    Ok(id)
}

pub async fn update(
    db: &Database,
    viewer: &Viewer,
    now: DateTime<Utc>,
    input: CommitteeUpdateInput,
) -> Result<CommitteeId> {
    let mut writing = WriteTransaction::begin(db, viewer.actor()?, now).await?;
    let id = change(&mut writing, input).await?;
    writing.commit().await?;
    Ok(id)
}

/// Updates a committee as part of a write.
pub async fn change(
    writing: &mut WriteTransaction,
    input: CommitteeUpdateInput,
) -> Result<CommitteeId> {
    let before = resolve::load_target::<Entity, CommitteeId>(writing.db(), "id", &input.id).await?;
    let decision = rules::write(writing.party(), before.side, before.party);
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
    after.mandate = resolve::optional_text_or_current(
        &mut problems,
        "mandate",
        &input.mandate,
        text::MAX_TEXT_LENGTH,
        before.mandate.as_deref(),
    );
    after.starts_on = resolve::optional_or_current(input.starts_on, before.starts_on.map(Date))
        .map(|date| date.0);
    after.ends_on =
        resolve::optional_or_current(input.ends_on, before.ends_on.map(Date)).map(|date| date.0);
    if (after.starts_on, after.ends_on) != (before.starts_on, before.ends_on) {
        let field = if after.ends_on == before.ends_on {
            "startsOn"
        } else {
            "endsOn"
        };
        problems.check(field, rules::validate_dates(after.starts_on, after.ends_on));
    }
    let predecessors = match &input.predecessor_ids {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(Vec::new()),
        MaybeUndefined::Value(ids) => {
            Some(predecessors::listed(writing.db(), &mut problems, ids, before.id).await?)
        }
    };
    problems.into_result()?;

    let mut changes = changed(&before, &after);
    if let Some(predecessors) = predecessors {
        changes.append(predecessors::replace(writing.db(), before.id, &predecessors).await?);
    }
    if changes.is_empty() {
        return Ok(before.id);
    }
    let id = before.id;
    save(writing, after, ActivityVerb::Updated, changes).await?;
    Ok(id)
}

/// Returns the changes of a committee's own fields.
fn changed(before: &Model, after: &Model) -> ChangeSet {
    let mut changes = ChangeSet::default();
    let day = |date: Option<NaiveDate>| date.map(|date| date.to_string());
    changes.add("name", Some(before.name.clone()), Some(after.name.clone()));
    changes.add("mandate", before.mandate.clone(), after.mandate.clone());
    changes.add("startsOn", day(before.starts_on), day(after.starts_on));
    changes.add("endsOn", day(before.ends_on), day(after.ends_on));
    let [was, is] = [before.status, after.status].map(enum_name);
    changes.add("status", Some(was), Some(is));
    changes
}

/// Stores the next version of a committee with its log entry.
async fn save(
    writing: &mut WriteTransaction,
    after: Model,
    verb: ActivityVerb,
    mut changes: ChangeSet,
) -> Result<(), DbErr> {
    let (id, side) = (after.id, after.side);
    let mandate = after.mandate.as_deref();
    let row = ActiveModel {
        name_key: Set(collation_key(&after.name, after.original_language)),
        folded: Set(folded(&after.code, &after.period, &after.name, mandate)),
        version: Set(after.version + 1),
        updated_at: Set(writing.now()),
        ..after.into_active_model().reset_all()
    };
    Entity::update(row).exec(writing.db()).await?;
    translation::mark_outdated(writing, id, &mut changes).await?;
    writing
        .log(ActivityEntry::new(verb, id, changes).of_side(side))
        .await
}

/// Returns the display name of a committee: `ITU-T SG17 (2013-2016)`.
pub(super) async fn label(db: &impl ConnectionTrait, committee: &Model) -> Result<String, DbErr> {
    let labels = labels(db, std::slice::from_ref(committee)).await?;
    Ok(labels.concat())
}

/// Returns the display name of the committee with this id, if it exists.
pub(super) async fn label_of(
    db: &impl ConnectionTrait,
    committee: Option<CommitteeId>,
) -> Result<Option<String>, DbErr> {
    let Some(id) = committee else {
        return Ok(None);
    };
    match Entity::find_by_id(id).one(db).await? {
        Some(committee) => label(db, &committee).await.map(Some),
        None => Ok(None),
    }
}

/// Returns the display names of committees in the given order.
pub async fn labels(db: &impl ConnectionTrait, committees: &[Model]) -> Result<Vec<String>, DbErr> {
    if committees.is_empty() {
        return Ok(Vec::new());
    }
    let organizations = committees.iter().map(|committee| committee.organization_id);
    let organizations = organization::Entity::find()
        .filter(organization::Column::Id.is_in(organizations))
        .all(db)
        .await?;
    let label = |committee: &Model| {
        let mut organizations = organizations.iter();
        let organization = organizations.find(|other| other.id == committee.organization_id);
        let acronym = organization.map_or("", |organization| &organization.acronym);
        named(acronym, &committee.code, &committee.period)
    };
    Ok(committees.iter().map(label).collect())
}

/// Formats the display name of a committee: `ITU-T SG17 (2013-2016)`.
#[must_use]
pub fn named(organization: &str, code: &str, period: &str) -> String {
    format!("{organization} {code} ({period})")
}

/// Returns the search text of a committee.
#[must_use]
pub fn folded(code: &str, period: &str, name: &str, mandate: Option<&str>) -> String {
    let code = format!("{code} {period}");
    search_text(&[&code, name, mandate.unwrap_or_default()])
}
