//! The edition that a publication supersedes.

use async_graphql::ID;
use entity::id::PublicationId;
use entity::party::Side;
use entity::publication::{Column, Entity, Model};
use sea_orm::sea_query::{
    CommonTableExpression, Expr, ExprTrait, SelectStatement, UnionType, WithClause,
};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait};

use crate::domain::publication as rules;
use crate::domain::validation_errors::ValidationErrors;
use crate::store::resolve;

const FIELD: &str = "supersedesId";

/// Resolves the superseded edition of an input.
pub async fn named(
    db: &impl ConnectionTrait,
    problems: &mut ValidationErrors,
    given: Option<&ID>,
    side: Option<Side>,
) -> Result<Option<Model>, DbErr> {
    let found = resolve::named::<Entity, PublicationId>(db, problems, FIELD, given).await?;
    if let Some(superseded) = &found {
        problems.check(FIELD, rules::validate_supersedes(side, superseded.side));
    }
    Ok(found)
}

/// Adds an error if the chain of superseded editions leads back to the publication `by`.
pub async fn ends(
    db: &impl ConnectionTrait,
    problems: &mut ValidationErrors,
    superseded: Option<&Model>,
    by: PublicationId,
) -> Result<(), DbErr> {
    let Some(superseded) = superseded else {
        return Ok(());
    };
    let earlier = SelectStatement::new()
        .column(("p", Column::SupersedesId))
        .from_as(Entity, "p")
        .inner_join(
            "chain",
            Expr::col(("p", Column::Id)).equals(("chain", "id")),
        )
        .take();
    let chain = SelectStatement::new()
        .column(Column::Id)
        .from(Entity)
        .and_where(Expr::col(Column::Id).eq(superseded.id))
        .union(UnionType::Distinct, earlier)
        .take();
    let mut earliest = CommonTableExpression::new();
    earliest.query(chain).table_name("chain").column("id");
    let mut with = WithClause::new();
    with.recursive(true).cte(earliest);
    let back = SelectStatement::new()
        .with_cte(with)
        .expr(Expr::val(1))
        .from("chain")
        .and_where(Expr::col("id").eq(by))
        .take();
    let leads_back = db.query_one(&back).await?.is_some();
    problems.check(FIELD, rules::validate_supersedes_chain(leads_back));
    Ok(())
}

/// Returns the number of a publication.
pub async fn number(
    db: &impl ConnectionTrait,
    publication: Option<PublicationId>,
) -> Result<Option<String>, DbErr> {
    let Some(id) = publication else {
        return Ok(None);
    };
    let found = Entity::find_by_id(id).one(db).await?;
    Ok(found.map(|publication| publication.number))
}
