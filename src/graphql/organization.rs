//! Organizations.

use std::sync::LazyLock;

use async_graphql::{Context, Enum, ID, InputObject, InputType, Object, OneofObject};
use entity::id::{Id, OrganizationId};
use entity::organization::{Column, Entity, OrganizationKind};
use entity::party::{Language, Side};
use entity::permission::Permission;
use entity::scalar::{DateTime, Url};
use entity::translation::TranslatableField;
use entity::{activity, committee, organization};
use sea_orm::sea_query::{Condition, ExprTrait};

use super::list::{self, ConditionBuilder, Direction, Filter, OrderBy, parse_list_args};
use super::payload::{MutationPayload, Payload};
use super::request::OperationContext;
use crate::domain::organization::{OrganizationFacts, permissions};
use crate::error::Result;
use crate::graphql::metadata_fields::{id, stamps};
use crate::graphql::node::{SEARCHED, node_table, visible_to_all};
use crate::graphql::translated_text::{
    TranslatedText, language_of, shown_text_matches, translated,
};
use crate::graphql::translation::translations;
use crate::graphql::{activity as activities, committee as committees, enum_names};
use crate::planner::arguments::Args;
use crate::planner::json::Scalar;
use crate::planner::schema::{
    self, ColumnExpr, Connection, CursorKey, ListLength, Order, Relation, col, column, computed,
    many, one_or_null, page,
};
use crate::planner::{ExecutionContext, RecordQuery};
use crate::store::idempotency::create;
use crate::store::organization::{self as store, OrganizationCreateInput, OrganizationUpdateInput};

/// Its name.
static NAME: TranslatedText = TranslatedText {
    field: TranslatableField::Name,
    column: "name",
    part: 1,
    nullable: false,
};

/// Returns the object type.
pub fn object_type() -> &'static schema::ObjectType {
    static OBJECT: LazyLock<schema::ObjectType> = LazyLock::new(describe);
    &OBJECT
}

fn describe() -> schema::ObjectType {
    let mut fields = vec![
        id(OrganizationId::PREFIX),
        column::<String>(
            "acronym",
            "Its unique acronym. Example: `ITU-T`.",
            Column::Acronym,
            Scalar::String,
        ),
        translated::<String>("name", "Its full name.", &NAME),
        language_of::<Language>(
            "nameLanguage",
            "The language in which `name` is returned. Pass the same `language` argument as for `name`.",
            &NAME,
        ),
        column::<OrganizationKind>(
            "kind",
            "What kind of organization it is.",
            Column::Kind,
            Scalar::Enum,
        ),
        column::<Option<Side>>(
            "side",
            "The side that it belongs to; null for a partner outside the two unions.",
            Column::Side,
            Scalar::Enum,
        ),
        column::<Option<Url>>(
            "website",
            "Its website; null if unknown.",
            Column::Website,
            Scalar::String,
        ),
        one_or_null(
            "parent",
            "The organization that it is part of; null if it is part of none, such as a union.",
            object_type,
            Column::ParentId,
        ),
        many(
            "children",
            "The organizations that are part of it. Sorted by acronym. At most 100. A change of this list is not in the `activities` of this record. To keep a cached list current, reload it when the subscription `activity` sends one with `verb` CREATED and `subjectType` ORGANIZATION.",
            object_type,
            ListLength::Long,
            Relation::column(Column::ParentId),
            vec![col(Column::AcronymKey), col(Column::Id)],
        ),
        page(
            "committees",
            "Its committees of all periods. Sorted by code by default, SG2 before SG12. A change of this list is not in the `activities` of this record. To keep a cached list current, reload it when the subscription `activity` sends one with `verb` CREATED and `subjectType` COMMITTEE.",
            &committees::COMMITTEES,
            Relation::column(committee::Column::OrganizationId),
        ),
        page(
            "activities",
            "The history of the organization, oldest first. Activities of its committees are not included.",
            &activities::HISTORY,
            Relation::column(activity::Column::SubjectId),
        ),
        translations(),
        computed::<Vec<Permission>>(
            "viewerPermissions",
            "What the viewer may do with this record now, for example which buttons to show. Empty for viewers who may only read.",
            vec![ColumnExpr::column(Column::Side)],
            |cells, env, json| {
                let facts = OrganizationFacts {
                    side: cells.find(0)?,
                };
                enum_names::list(json, permissions(env.party, &facts));
                Ok(())
            },
        ),
    ];
    fields.extend(stamps());
    schema::ObjectType {
        name: "Organization",
        description: "An organization: ITU or UPU itself, a part of one of them such as ITU-T or the POC, or a partner outside both such as ISO.",
        cacheable: true,
        table: Some(node_table::<OrganizationId>(
            Entity,
            visible_to_all,
            SEARCHED,
        )),
        fields,
    }
}

/// All organizations.
pub static ORGANIZATIONS: Connection = Connection {
    object: object_type,
    type_name: "OrganizationConnection",
    edge: "OrganizationEdge",
    filter: Some(<Option<OrganizationFilter>>::create_type_info),
    order: Some(<Option<OrganizationOrder>>::create_type_info),
    counts: None,
    lasting: false,
    criteria: parse_list_args::<OrganizationFilter, OrganizationOrder>,
};

/// Conditions for a list of organizations. An organization must meet all conditions that are given.
#[derive(Debug, Default, InputObject)]
pub struct OrganizationFilter {
    /// Only organizations of one of these kinds. An empty list matches nothing.
    kind: Option<Vec<OrganizationKind>>,
    /// Only organizations of one of these sides. Partners have no side and never match. An empty list matches nothing.
    side: Option<Vec<Side>>,
    /// Only records whose `updatedAt` is at this time or later.
    updated_since: Option<DateTime>,
    /// Only organizations that contain this text in acronym or name, as returned in the languages of `@inContext`. Case and accents make no difference. At most 500 characters; a blank text is ignored.
    text: Option<String>,
}

impl Filter for OrganizationFilter {
    fn condition(&self, env: &ExecutionContext<'_>) -> Result<Condition> {
        Ok(ConditionBuilder::new()
            .with(list::is_in(Column::Kind, self.kind.as_ref()))
            .with(list::is_in(Column::Side, self.side.as_ref()))
            .with(
                self.updated_since
                    .map(|time| col(Column::UpdatedAt).gte(time.0)),
            )
            .with(shown_text_matches(self.text.as_ref(), &[&NAME], env)?)
            .into_condition())
    }

    fn reads_texts(&self) -> bool {
        self.text.is_some()
    }
}

/// The order of a list of organizations.
#[derive(Debug, Default, InputObject)]
pub struct OrganizationOrder {
    /// The field to sort by.
    field: OrganizationOrderField,
    /// The direction to sort in.
    #[graphql(default)]
    direction: Direction,
}

/// The fields that organizations can be sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum)]
pub enum OrganizationOrderField {
    /// By acronym, with numbers by their value. This is the default.
    #[default]
    Acronym,
    /// By name, as returned in the languages of `@inContext`; without `@inContext` by the original name. The order is alphabetical within each script: Latin, Cyrillic, Arabic, then Chinese. The script of the first language of `@inContext` comes first: Cyrillic with `@inContext(languages: [RU])`.
    Name,
    /// By `updatedAt`.
    UpdatedAt,
}

impl OrderBy for OrganizationOrder {
    fn order(&self, env: &ExecutionContext<'_>) -> Order {
        let (key, kind) = match self.field {
            OrganizationOrderField::Acronym => (Column::AcronymKey.into(), CursorKey::Text),
            OrganizationOrderField::Name => (NAME.sort_key(env), CursorKey::Text),
            OrganizationOrderField::UpdatedAt => (Column::UpdatedAt.into(), CursorKey::Time),
        };
        Order {
            key,
            kind,
            unique: false,
            descending: self.direction == Direction::Desc,
        }
    }
}

/// How to identify an organization: give exactly one of these fields.
#[derive(OneofObject)]
pub enum OrganizationBy {
    /// Its global id.
    Id(ID),
    /// Its exact acronym. Example: `ITU-T`.
    Acronym(String),
}

/// Finds an organization by the argument `by`.
///
/// # Errors
/// Returns a bad-input error if the id belongs to another type.
pub fn find(args: &Args<'_>) -> Result<RecordQuery> {
    Ok(match args.get("by")? {
        OrganizationBy::Id(id) => {
            col(organization::Column::Id).eq(list::key::<OrganizationId>("id", &id)?)
        }
        OrganizationBy::Acronym(acronym) => {
            col(Column::Acronym).eq(list::reject_nul("acronym", &acronym)?)
        }
    }
    .into())
}

/// The payload of organization mutations.
pub struct Organization;

impl MutationPayload for Organization {
    const FIELD: &'static str = "organization";

    fn object_type() -> Option<&'static schema::ObjectType> {
        Some(object_type())
    }
}

/// What can be done to organizations.
#[derive(Default)]
pub struct OrganizationMutation;

#[Object]
impl OrganizationMutation {
    /// Creates an organization. ITU and UPU create their own; the TSB creates those of ITU and of partners.
    async fn organization_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The organization.")] input: OrganizationCreateInput,
    ) -> Option<Result<Payload<Organization, OrganizationCreateInput>>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        Some(Payload::of(create(db, viewer, *now, input).await))
    }

    /// Changes the name or website of an organization.
    async fn organization_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: OrganizationUpdateInput,
    ) -> Option<Result<Payload<Organization, OrganizationUpdateInput>>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        Some(Payload::of(store::update(db, viewer, *now, input).await))
    }
}
