//! Organizations.

use std::sync::LazyLock;

use async_graphql::{Context, Enum, ID, InputObject, InputType, Object, OneofObject};
use entity::id::{Id, OrganizationId};
use entity::organization::{Column, Entity, OrganizationKind};
use entity::party::Side;
use entity::permission::Permission;
use entity::scalar::Url;
use entity::{committee, organization};
use sea_orm::sea_query::{Condition, ExprTrait, IntoIden, IntoTableRef};

use super::list::{self, Direction, Filter, Narrowing, Sorting, criteria};
use super::payload::{Payload, Thing};
use super::request::Request;
use super::stamps::{id, stamps, translated};
use super::{committee as committees, words};
use crate::error::Result;
use crate::read::args::Args;
use crate::read::json::Scalar;
use crate::read::shape::{
    self, Cell, Key, Link, List, Order, Table, col, column, computed, many, one_or_null, page,
};
use crate::read::{Env, Find};
use crate::rules::organization::{Facts, permissions};
use crate::store::organization::{self as store, OrganizationCreateInput, OrganizationUpdateInput};

/// The type.
pub fn object() -> &'static shape::Object {
    static OBJECT: LazyLock<shape::Object> = LazyLock::new(describe);
    &OBJECT
}

fn describe() -> shape::Object {
    let mut fields = vec![
        id(OrganizationId::PREFIX),
        column::<String>(
            "acronym",
            "What everybody calls it: ITU, ITU-T, TSB, UPU, POC, IB, ISO. No two have the same.",
            Column::Acronym,
            Scalar::Text,
        ),
        translated::<String>("name", "Its full name.", Column::Name),
        column::<OrganizationKind>(
            "kind",
            "What it is within its union.",
            Column::Kind,
            Scalar::Word,
        ),
        column::<Option<Side>>(
            "side",
            "The side that it belongs to; null for a partner outside the two unions.",
            Column::Side,
            Scalar::Word,
        ),
        column::<Option<Url>>(
            "website",
            "Its own address on the web, where the register knows it.",
            Column::Website,
            Scalar::Text,
        ),
        one_or_null(
            "parent",
            "The organization that it is a part of; null for a union and for a partner.",
            object,
            Column::ParentId,
        ),
        many(
            "children",
            "The organizations that are a part of it, by acronym.",
            object,
            Link::column(Column::ParentId),
            vec![col(Column::AcronymKey), col(Column::Id)],
        ),
        page(
            "committees",
            "Its committees, of all periods unless the filter says otherwise; by code, SG2 before SG12.",
            &committees::COMMITTEES,
            Link::column(committee::Column::OrganizationId),
        ),
        computed::<Vec<Permission>>(
            "viewerPermissions",
            "What the viewer may do to it now; empty for those who only read.",
            vec![Cell::column(Column::Side)],
            |cells, env, json| {
                let facts = Facts {
                    side: cells.find(0)?,
                };
                words::list(json, permissions(env.party, &facts));
                Ok(())
            },
        ),
    ];
    fields.extend(stamps());
    shape::Object {
        name: "Organization",
        description: "A body of ITU or UPU (the unions themselves, ITU-T, the POC, their bureaus), or a partner outside of both.",
        table: Some(Table {
            name: Entity.into_table_ref(),
            prefix: Some(OrganizationId::PREFIX),
        }),
        fields,
    }
}

/// All organizations.
pub static ORGANIZATIONS: List = List {
    object,
    connection: "OrganizationConnection",
    edge: "OrganizationEdge",
    filter: Some(<Option<OrganizationFilter>>::create_type_info),
    order: Some(<Option<OrganizationOrder>>::create_type_info),
    lasting: false,
    criteria: criteria::<OrganizationFilter, OrganizationOrder>,
};

/// Which organizations. All that is given holds at once.
#[derive(Debug, Default, InputObject)]
pub struct OrganizationFilter {
    /// One of these kinds; an empty list leaves nothing.
    kind: Option<Vec<OrganizationKind>>,
    /// Of one of these sides; an empty list leaves nothing. Partners have none.
    side: Option<Vec<Side>>,
    /// With this text anywhere in acronym or name, whatever its case and accents; 500 characters at most. Blank text narrows nothing.
    text: Option<String>,
}

impl Filter for OrganizationFilter {
    fn condition(&self, env: &Env<'_>) -> Result<Condition> {
        Ok(Narrowing::new()
            .with(list::among(Column::Kind, self.kind.as_ref()))
            .with(list::among(Column::Side, self.side.as_ref()))
            .with(list::containing(self.text.as_ref(), env)?)
            .done())
    }
}

/// In which order organizations stand.
#[derive(Debug, Default, InputObject)]
pub struct OrganizationOrder {
    /// What they are ordered by.
    field: OrganizationOrderField,
    /// Which way.
    #[graphql(default)]
    direction: Direction,
}

/// What organizations can be ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum)]
pub enum OrganizationOrderField {
    /// By acronym, numbers in it by their value. The order where none is given.
    #[default]
    Acronym,
    /// By name, whatever its case and accents.
    Name,
    /// By the time of the last change.
    UpdatedAt,
}

impl Sorting for OrganizationOrder {
    fn order(&self) -> Order {
        let (key, kind) = match self.field {
            OrganizationOrderField::Acronym => (Column::AcronymKey, Key::Text),
            OrganizationOrderField::Name => (Column::NameKey, Key::Text),
            OrganizationOrderField::UpdatedAt => (Column::UpdatedAt, Key::Time),
        };
        Order {
            key: key.into_iden(),
            kind,
            unique: false,
            descending: self.direction == Direction::Desc,
        }
    }
}

/// What names one organization: exactly one of these.
#[derive(OneofObject)]
pub enum OrganizationBy {
    /// Its id.
    Id(ID),
    /// Its acronym, written exactly so.
    Acronym(String),
}

/// Finds one.
///
/// # Errors
/// Bad input where the id names something else.
pub fn find(args: &Args<'_>) -> Result<Find> {
    Ok(match args.get("by")? {
        OrganizationBy::Id(id) => {
            col(organization::Column::Id).eq(list::key::<OrganizationId>("id", &id)?)
        }
        OrganizationBy::Acronym(acronym) => {
            col(Column::Acronym).eq(list::plain("acronym", &acronym)?)
        }
    }
    .into())
}

/// Organizations, in payloads.
pub struct Organization;

impl Thing for Organization {
    const PAYLOAD: &'static str = "OrganizationPayload";
    const FIELD: &'static str = "organization";

    fn object() -> &'static shape::Object {
        object()
    }
}

/// What can be done to organizations.
#[derive(Default)]
pub struct OrganizationMutation;

#[Object]
impl OrganizationMutation {
    /// Enters an organization: a side one of its own, the TSB one of ITU's side or a partner.
    async fn organization_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The organization.")] input: OrganizationCreateInput,
    ) -> Option<Result<Payload<Organization>>> {
        let Request {
            db, viewer, now, ..
        } = Request::of(ctx);
        Some(Payload::of(store::create(db, viewer, *now, input).await))
    }

    /// Changes the name or website of an organization.
    async fn organization_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: OrganizationUpdateInput,
    ) -> Option<Result<Payload<Organization>>> {
        let Request {
            db, viewer, now, ..
        } = Request::of(ctx);
        Some(Payload::of(store::update(db, viewer, *now, input).await))
    }
}
