//! The usual stack over the same tables: async-graphql with its axum integration, sea-orm and a DataLoader. It has no
//! limits, no authentication and no mutations.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{
    ComplexObject, Context, EmptyMutation, EmptySubscription, Enum, ID, InputObject, Object,
    Schema, SimpleObject,
};
use async_graphql_axum::GraphQL;
use axum::Router;
use axum::routing::post_service;
use chrono::{DateTime, NaiveDate, Utc};
use entity::action_item::ActionItemStatus;
use entity::id::{CommitteeId, OrganizationId, TopicId};
use entity::topic::TopicStatus;
use entity::topic_committee::CommitteeRole;
use entity::{action_item, committee, organization, topic, topic_committee};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, ConnectOptions, Database, DatabaseConnection, DbErr, EntityTrait, Order,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use tokio::net::TcpListener;

use crate::Result;

type Fetched<T> = async_graphql::Result<T>;

/// Serves until the process is killed.
pub async fn serve(url: &str, port: u16, connections: u32) -> Result<()> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(connections).sqlx_logging(false);
    let db = Database::connect(options).await;
    let db = db.map_err(|error| error.to_string())?;
    let loader = DataLoader::new(Records(db.clone()), tokio::spawn);
    let schema = Schema::build(Query, EmptyMutation, EmptySubscription)
        .data(db)
        .data(loader)
        .finish();
    let router = Router::new().route("/graphql", post_service(GraphQL::new(schema)));
    let listener = TcpListener::bind(("127.0.0.1", port)).await;
    let listener = listener.map_err(|error| error.to_string())?;
    axum::serve(listener, router)
        .await
        .map_err(|error| error.to_string())
}

struct Query;

#[derive(InputObject)]
struct TopicBy {
    id: ID,
}

#[derive(InputObject)]
struct TopicFilter {
    status: Option<Vec<TopicStatus>>,
}

#[derive(InputObject)]
struct ActionItemFilter {
    status: Option<Vec<ActionItemStatus>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
enum Direction {
    Asc,
    Desc,
}

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
enum TopicOrderField {
    UpdatedAt,
}

#[derive(InputObject)]
struct TopicOrder {
    field: TopicOrderField,
    direction: Option<Direction>,
}

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
enum ActionItemOrderField {
    DueOn,
}

#[derive(InputObject)]
struct ActionItemOrder {
    field: ActionItemOrderField,
}

#[Object]
impl Query {
    async fn topic(&self, ctx: &Context<'_>, by: TopicBy) -> Fetched<Option<Topic>> {
        let key: Uuid = by.id.parse()?;
        let found = topic::Entity::find_by_id(TopicId::from(key));
        Ok(found.one(db(ctx)?).await?.map(Topic::from))
    }

    async fn topics(
        &self,
        ctx: &Context<'_>,
        first: u64,
        filter: Option<TopicFilter>,
        order_by: TopicOrder,
    ) -> Fetched<Connection<Topic>> {
        let mut found = topic::Entity::find();
        if let Some(status) = filter.and_then(|filter| filter.status) {
            found = found.filter(topic::Column::Status.is_in(status));
        }
        let TopicOrderField::UpdatedAt = order_by.field;
        let direction = match order_by.direction {
            Some(Direction::Desc) => Order::Desc,
            _ => Order::Asc,
        };
        let found = found
            .order_by(topic::Column::UpdatedAt, direction.clone())
            .order_by(topic::Column::Id, direction)
            .limit(first + 1);
        let rows = found.all(db(ctx)?).await?;
        let cursor = |last: &topic::Model| format!("{}_{}", last.updated_at, Uuid::from(last.id));
        Ok(Connection::of(rows, first, 0, cursor))
    }

    async fn action_items(
        &self,
        ctx: &Context<'_>,
        first: u64,
        after: Option<String>,
        filter: Option<ActionItemFilter>,
        order_by: ActionItemOrder,
    ) -> Fetched<Connection<ActionItem>> {
        let mut found = action_item::Entity::find();
        if let Some(status) = filter.and_then(|filter| filter.status) {
            found = found.filter(action_item::Column::Status.is_in(status));
        }
        let total = if ctx.look_ahead().field("totalCount").exists() {
            found.clone().count(db(ctx)?).await?
        } else {
            0
        };
        if let Some(after) = after {
            let (day, key) = after.split_once('_').ok_or("an invalid cursor")?;
            let (day, key): (NaiveDate, Uuid) = (day.parse()?, key.parse()?);
            let row = [
                Expr::col(action_item::Ordering::DueAsc),
                Expr::col(action_item::Column::Id),
            ];
            let row = Expr::tuple(row);
            found = found.filter(row.gt(Expr::tuple([Expr::val(day), Expr::val(key)])));
        }
        let ActionItemOrderField::DueOn = order_by.field;
        let found = found
            .order_by(Expr::col(action_item::Ordering::DueAsc), Order::Asc)
            .order_by(action_item::Column::Id, Order::Asc)
            .limit(first + 1);
        let rows = found.all(db(ctx)?).await?;
        Ok(Connection::of(rows, first, total, action_item_cursor))
    }
}

fn db<'a>(ctx: &Context<'a>) -> Fetched<&'a DatabaseConnection> {
    ctx.data()
}

fn action_item_cursor(last: &action_item::Model) -> String {
    // Without a date it sorts last.
    let day = last.due_on.unwrap_or(NaiveDate::MAX);
    format!("{day}_{}", Uuid::from(last.id))
}

#[derive(SimpleObject)]
#[graphql(concrete(name = "TopicConnection", params(Topic)))]
#[graphql(concrete(name = "ActionItemConnection", params(ActionItem)))]
struct Connection<T: async_graphql::OutputType> {
    total_count: u64,
    nodes: Vec<T>,
    page_info: PageInfo,
}

#[derive(SimpleObject)]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

impl<T: async_graphql::OutputType> Connection<T> {
    /// Makes a page of the rows, of which there is one more if another page follows.
    fn of<M: Into<T>>(
        mut rows: Vec<M>,
        first: u64,
        total_count: u64,
        cursor: impl Fn(&M) -> String,
    ) -> Self {
        let has_next_page = rows.len() as u64 > first;
        if has_next_page {
            rows.pop();
        }
        let end_cursor = rows.last().map(cursor);
        Self {
            total_count,
            page_info: PageInfo {
                has_next_page,
                end_cursor,
            },
            nodes: rows.into_iter().map(Into::into).collect(),
        }
    }
}

#[derive(SimpleObject)]
#[graphql(complex)]
struct Topic {
    id: ID,
    code: String,
    title: String,
    summary: String,
    status: TopicStatus,
    updated_at: DateTime<Utc>,
    #[graphql(skip)]
    key: TopicId,
}

impl From<topic::Model> for Topic {
    fn from(row: topic::Model) -> Self {
        Self {
            id: Uuid::from(row.id).to_string().into(),
            code: format!("T-{}", row.number),
            title: row.title,
            summary: row.summary,
            status: row.status,
            updated_at: row.updated_at,
            key: row.id,
        }
    }
}

#[ComplexObject]
impl Topic {
    async fn committees(&self, ctx: &Context<'_>) -> Fetched<Vec<TopicCommittee>> {
        let loader = ctx.data::<DataLoader<Records>>()?;
        let found = loader.load_one(CommitteesOf(self.key)).await?;
        Ok(found.unwrap_or_default())
    }

    async fn action_items(
        &self,
        ctx: &Context<'_>,
        first: usize,
        order_by: ActionItemOrder,
    ) -> Fetched<Connection<ActionItem>> {
        let ActionItemOrderField::DueOn = order_by.field;
        let loader = ctx.data::<DataLoader<Records>>()?;
        let found = loader.load_one(ActionItemsOf(self.key)).await?;
        let mut found = found.unwrap_or_default();
        found.truncate(first + 1);
        Ok(Connection::of(found, first as u64, 0, action_item_cursor))
    }
}

#[derive(Clone, SimpleObject)]
struct TopicCommittee {
    role: CommitteeRole,
    committee: Committee,
}

#[derive(SimpleObject)]
#[graphql(complex)]
struct ActionItem {
    id: ID,
    code: String,
    title: String,
    status: ActionItemStatus,
    due_on: Option<NaiveDate>,
    #[graphql(skip)]
    owner: CommitteeId,
}

impl From<action_item::Model> for ActionItem {
    fn from(row: action_item::Model) -> Self {
        Self {
            id: Uuid::from(row.id).to_string().into(),
            code: format!("A-{}", row.number),
            title: row.title,
            status: row.status,
            due_on: row.due_on,
            owner: row.committee_id,
        }
    }
}

#[ComplexObject]
impl ActionItem {
    async fn committee(&self, ctx: &Context<'_>) -> Fetched<Committee> {
        let loader = ctx.data::<DataLoader<Records>>()?;
        let found = loader.load_one(CommitteeKey(self.owner)).await?;
        found.ok_or_else(|| "an action item without a committee".into())
    }
}

#[derive(Clone, SimpleObject)]
#[graphql(complex)]
struct Committee {
    code: String,
    name: String,
    #[graphql(skip)]
    organization: OrganizationId,
}

impl From<committee::Model> for Committee {
    fn from(row: committee::Model) -> Self {
        Self {
            code: row.code,
            name: row.name,
            organization: row.organization_id,
        }
    }
}

#[ComplexObject]
impl Committee {
    async fn organization(&self, ctx: &Context<'_>) -> Fetched<Organization> {
        let loader = ctx.data::<DataLoader<Records>>()?;
        let found = loader.load_one(OrganizationKey(self.organization)).await?;
        found.ok_or_else(|| "a committee without an organization".into())
    }
}

#[derive(Clone, SimpleObject)]
struct Organization {
    acronym: String,
}

/// Loads the records that many fields request, at once.
struct Records(DatabaseConnection);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct CommitteesOf(TopicId);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct ActionItemsOf(TopicId);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct CommitteeKey(CommitteeId);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct OrganizationKey(OrganizationId);

type Loaded<K, V> = std::result::Result<HashMap<K, V>, Arc<DbErr>>;

impl Records {
    async fn committees(
        &self,
        keys: impl IntoIterator<Item = CommitteeId>,
    ) -> std::result::Result<Vec<committee::Model>, DbErr> {
        let found = committee::Entity::find().filter(committee::Column::Id.is_in(keys));
        found.all(&self.0).await
    }
}

impl Loader<CommitteesOf> for Records {
    type Value = Vec<TopicCommittee>;
    type Error = Arc<DbErr>;

    async fn load(&self, keys: &[CommitteesOf]) -> Loaded<CommitteesOf, Self::Value> {
        let topics = keys.iter().map(|key| key.0);
        let links = topic_committee::Entity::find()
            .filter(topic_committee::Column::TopicId.is_in(topics))
            .all(&self.0)
            .await?;
        let linked = links.iter().map(|link| link.committee_id);
        let mut committees: Vec<_> = self.committees(linked).await?;
        committees.sort_by(|one, other| (&one.code_key, one.id).cmp(&(&other.code_key, other.id)));
        let rank = |id| committees.iter().position(|committee| committee.id == id);
        let mut found: HashMap<_, Vec<_>> = HashMap::new();
        for link in &links {
            let of_topic = found.entry(CommitteesOf(link.topic_id)).or_default();
            if let Some(place) = rank(link.committee_id) {
                let committee = Committee::from(committees[place].clone());
                of_topic.push((link.role, place, committee));
            }
        }
        let listed = found.into_iter().map(|(topic, mut links)| {
            links.sort_by_key(|(role, place, _)| (*role, *place));
            let links = links.into_iter();
            let links = links.map(|(role, _, committee)| TopicCommittee { role, committee });
            (topic, links.collect())
        });
        Ok(listed.collect())
    }
}

impl Loader<ActionItemsOf> for Records {
    type Value = Vec<action_item::Model>;
    type Error = Arc<DbErr>;

    /// Loads all action items of the topics: a page of each takes more than this usual way.
    async fn load(&self, keys: &[ActionItemsOf]) -> Loaded<ActionItemsOf, Self::Value> {
        let topics = keys.iter().map(|key| key.0);
        let items = action_item::Entity::find()
            .filter(action_item::Column::TopicId.is_in(topics))
            .order_by(Expr::col(action_item::Ordering::DueAsc), Order::Asc)
            .order_by(action_item::Column::Id, Order::Asc)
            .all(&self.0)
            .await?;
        let mut found: HashMap<_, Vec<_>> = HashMap::new();
        for item in items {
            let of_topic = found.entry(ActionItemsOf(item.topic_id));
            of_topic.or_default().push(item);
        }
        Ok(found)
    }
}

impl Loader<CommitteeKey> for Records {
    type Value = Committee;
    type Error = Arc<DbErr>;

    async fn load(&self, keys: &[CommitteeKey]) -> Loaded<CommitteeKey, Self::Value> {
        let committees = self.committees(keys.iter().map(|key| key.0)).await?;
        let committees = committees.into_iter();
        Ok(committees
            .map(|row| (CommitteeKey(row.id), row.into()))
            .collect())
    }
}

impl Loader<OrganizationKey> for Records {
    type Value = Organization;
    type Error = Arc<DbErr>;

    async fn load(&self, keys: &[OrganizationKey]) -> Loaded<OrganizationKey, Self::Value> {
        let keys = keys.iter().map(|key| key.0);
        let organizations = organization::Entity::find()
            .filter(organization::Column::Id.is_in(keys))
            .all(&self.0)
            .await?;
        let organizations = organizations.into_iter();
        let organizations = organizations.map(|row| {
            let acronym = row.acronym;
            (OrganizationKey(row.id), Organization { acronym })
        });
        Ok(organizations.collect())
    }
}
