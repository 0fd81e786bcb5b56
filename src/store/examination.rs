//! Joint examinations of publications and their findings.

use async_graphql::{ID, InputObject};
use chrono::{DateTime, Utc};
use entity::activity::ActivityVerb;
use entity::examination::{ActiveModel, Column, Entity, Model};
use entity::finding::Impact;
use entity::id::{CommitteeId, ExaminationId, PublicationId};
use entity::party::Side;
use entity::scalar::Date;
use entity::word::enum_name;
use entity::{committee, examination, finding, publication};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter};

use super::activity::{ActivityEntry, ChangeSet};
use super::committee::label_of;
use crate::domain::committee::is_own;
use crate::domain::examination as rules;
use crate::domain::publication::{PublicationFacts, examine};
use crate::domain::text;
use crate::domain::validation_errors::ValidationErrors;
use crate::domain::viewer::Viewer;
use crate::error::Result;
use crate::store::idempotency::{CreateInput, Idempotency};
use crate::store::transaction::WriteTransaction;
use crate::store::{Database, resolve};

/// A request that both sides examine what a publication means for them.
#[derive(Clone, Debug, InputObject)]
pub struct ExaminationRequestInput {
    /// The id of the publication. If it has an examination that is not complete, the user error is TAKEN.
    pub publication_id: ID,
    /// Why it is requested; at most 8,000 characters. Default: no reason.
    pub reason: Option<String>,
    /// The date by which both sides should have recorded a finding. Default: none.
    pub due_on: Option<Date>,
    #[graphql(flatten)]
    pub idempotency: Idempotency,
}

/// The finding of the viewer's own side. It can be rewritten until the other side has recorded its own finding.
#[derive(Clone, Debug, InputObject)]
pub struct ExaminationRecordFindingInput {
    /// The id of the examination.
    pub id: ID,
    /// What the publication means for this side.
    pub impact: Impact,
    /// The finding in words; at most 8,000 characters.
    pub statement: String,
    /// The id of the committee that made the finding, one of the viewer's own side. Default: none, it is a finding of the side as a whole.
    pub committee_id: Option<ID>,
}

impl CreateInput for ExaminationRequestInput {
    const MUTATION: &'static str = "examinationRequest";
    type Id = ExaminationId;

    fn idempotency(&self) -> &Idempotency {
        &self.idempotency
    }

    async fn make(self, writing: &mut WriteTransaction) -> Result<ExaminationId> {
        make(writing, self).await
    }
}

async fn make(
    writing: &mut WriteTransaction,
    input: ExaminationRequestInput,
) -> Result<ExaminationId> {
    let publication = resolve::load_target::<publication::Entity, PublicationId>(
        writing.db(),
        "publicationId",
        &input.publication_id,
    )
    .await?;
    let under_way = Entity::find()
        .filter(examination::Column::PublicationId.eq(publication.id))
        .filter(Column::Complete.eq(false))
        .count(writing.db())
        .await?;
    let mut problems = ValidationErrors::default();
    problems.decide(examine(&PublicationFacts {
        side: publication.side,
        under_examination: 0 < under_way,
    }))?;
    let reason = problems.optional_text("reason", input.reason.as_deref(), text::MAX_TEXT_LENGTH);
    problems.into_result()?;

    let id: ExaminationId = writing.new_id();
    let due_on = input.due_on.map(|date| date.0);
    let mut changes = ChangeSet::default();
    changes.added("publication", publication.number);
    changes.added("reason", reason.clone());
    changes.added("dueOn", due_on.map(|date| date.to_string()));
    let row = ActiveModel {
        id: Set(id),
        publication_id: Set(publication.id),
        requested_by: Set(writing.party()),
        reason: Set(reason),
        due_on: Set(due_on),
        complete: Set(false),
        created_at: Set(writing.now()),
        updated_at: Set(writing.now()),
    };
    Entity::insert(row)
        .exec_without_returning(writing.db())
        .await?;
    writing
        .log(ActivityEntry::new(
            ActivityVerb::ExaminationRequested,
            id,
            changes,
        ))
        .await?;
    Ok(id)
}

pub async fn record_finding(
    db: &Database,
    viewer: &Viewer,
    now: DateTime<Utc>,
    input: ExaminationRecordFindingInput,
) -> Result<ExaminationId> {
    let actor = viewer.actor()?;
    rules::side_of(actor.party)?;
    let mut writing = WriteTransaction::begin(db, actor, now).await?;
    let id = find(&mut writing, input).await?;
    writing.commit().await?;
    Ok(id)
}

/// Records a finding as part of a write.
pub async fn find(
    writing: &mut WriteTransaction,
    input: ExaminationRecordFindingInput,
) -> Result<ExaminationId> {
    let side = rules::side_of(writing.party())?;
    let examination =
        resolve::load_target::<Entity, ExaminationId>(writing.db(), "id", &input.id).await?;
    rules::record_finding(writing.party(), examination.complete)?;

    let mut problems = ValidationErrors::default();
    let statement = problems.text("statement", &input.statement, text::MAX_TEXT_LENGTH);
    let committee = input.committee_id.as_ref();
    let committee = finder(writing, &mut problems, committee, side).await?;
    problems.into_result()?;

    let findings = finding::Entity::find()
        .filter(finding::Column::ExaminationId.eq(examination.id))
        .all(writing.db())
        .await?;
    let before = findings.iter().find(|finding| finding.side == side);
    let after = finding::Model {
        examination_id: examination.id,
        side,
        impact: input.impact,
        statement,
        committee_id: committee.map(|committee| committee.id),
        found_at: writing.now(),
    };
    let changes = changed(writing, before, &after).await?;
    if changes.is_empty() {
        return Ok(examination.id);
    }
    let id = examination.id;
    let complete = findings.iter().any(|finding| finding.side == side.other());
    save(writing, examination, after, complete, changes).await?;
    Ok(id)
}

async fn finder(
    writing: &WriteTransaction,
    problems: &mut ValidationErrors,
    given: Option<&ID>,
    side: Side,
) -> Result<Option<committee::Model>, DbErr> {
    let field = "committeeId";
    let found =
        resolve::named::<committee::Entity, CommitteeId>(writing.db(), problems, field, given)
            .await?;
    if let Some(committee) = &found {
        problems.check(field, is_own(side.party(), committee.party));
    }
    Ok(found)
}

async fn changed(
    writing: &WriteTransaction,
    before: Option<&finding::Model>,
    after: &finding::Model,
) -> Result<ChangeSet, DbErr> {
    let mut changes = ChangeSet::default();
    let impact = before.map(|finding| enum_name(finding.impact));
    changes.add("impact", impact, Some(enum_name(after.impact)));
    let statement = before.map(|finding| finding.statement.clone());
    changes.add("statement", statement, Some(after.statement.clone()));
    let committee = before.and_then(|finding| finding.committee_id);
    if committee != after.committee_id {
        let was = label_of(writing.db(), committee).await?;
        let is = label_of(writing.db(), after.committee_id).await?;
        changes.add("committee", was, is);
    }
    Ok(changes)
}

/// Stores a finding, and closes the examination if the other side has recorded its own.
async fn save(
    writing: &mut WriteTransaction,
    examination: Model,
    after: finding::Model,
    complete: bool,
    mut changes: ChangeSet,
) -> Result<(), DbErr> {
    let row = finding::ActiveModel {
        examination_id: Set(after.examination_id),
        side: Set(after.side),
        impact: Set(after.impact),
        statement: Set(after.statement),
        committee_id: Set(after.committee_id),
        found_at: Set(after.found_at),
    };
    let key = [finding::Column::ExaminationId, finding::Column::Side];
    let rewritten = [
        finding::Column::Impact,
        finding::Column::Statement,
        finding::Column::CommitteeId,
        finding::Column::FoundAt,
    ];
    finding::Entity::insert(row)
        .on_conflict(
            OnConflict::columns(key)
                .update_columns(rewritten)
                .to_owned(),
        )
        .exec_without_returning(writing.db())
        .await?;
    Entity::update_many()
        .col_expr(Column::Complete, Expr::val(complete))
        .col_expr(Column::UpdatedAt, Expr::val(writing.now()))
        .filter(examination::Column::Id.eq(examination.id))
        .exec(writing.db())
        .await?;
    if complete {
        let [was, is] = [false, true].map(|complete| complete.to_string());
        changes.add("complete", Some(was), Some(is));
    }
    writing
        .log(ActivityEntry::new(
            ActivityVerb::FindingRecorded,
            examination.id,
            changes,
        ))
        .await
}
