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
use crate::graphql::node::{SEARCHED, everybody, node_table};
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
            "Its acronym, unique. Example: `ITU-T`.",
            Column::Acronym,
            Scalar::String,
        ),
        translated::<String>("name", "Its full name.", &NAME),
        language_of::<Language>(
            "nameLanguage",
            "The language in which `name` is returned. Give it the same `language` argument as `name`.",
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
            "Its website; null if the register does not know it.",
            Column::Website,
            Scalar::String,
        ),
        one_or_null(
            "parent",
            "The organization that it is part of; null for a union and for a partner.",
            object_type,
            Column::ParentId,
        ),
        many(
            "children",
            "The organizations that are part of it, by acronym. At most 100. It depends on their `parent`. If you keep a copy, read it again after each activity CREATED of an organization.",
            object_type,
            ListLength::Long,
            Relation::column(Column::ParentId),
            vec![col(Column::AcronymKey), col(Column::Id)],
        ),
        page(
            "committees",
            "Its committees of all periods; by code, SG2 before SG12. It depends on other records. If you keep a copy, read it again after each activity CREATED of a committee.",
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
        description: "An organization: ITU or UPU itself, a part of them such as ITU-T or the POC, or a partner outside of both such as ISO.",
        cacheable: true,
        table: Some(node_table::<OrganizationId>(Entity, everybody, SEARCHED)),
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

/// Conditions for a list of organizations: a record has to meet all that are given.
#[derive(Debug, Default, InputObject)]
pub struct OrganizationFilter {
    /// Is of one of these kinds. An empty list matches nothing.
    kind: Option<Vec<OrganizationKind>>,
    /// Is of one of these sides. An empty list matches nothing. Partners have no side and never match.
    side: Option<Vec<Side>>,
    /// `updatedAt` is at this time or later.
    updated_since: Option<DateTime>,
    /// Contains this text in acronym or name, as they are shown in the languages of `@inContext`. Upper and lower case, and accents, make no difference. At most 500 characters; blank text is no condition.
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
    /// By name as it is shown, in the alphabetical order of its language: texts in the script of the first language of `@inContext` come first.
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
    /// Creates an organization. A side creates its own; the TSB those of ITU and partners.
    async fn organization_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The organization.")] input: OrganizationCreateInput,
    ) -> Option<Result<Payload<Organization, OrganizationCreateInput>>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        Some(Payload::of(store::create(db, viewer, *now, input).await))
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
