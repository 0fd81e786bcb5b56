//! Decision tables of the rules for topics.

use entity::word::all;

use crate::domain::decision_table::{PARTIES, cell, exchanged, name, row};
use crate::domain::topic::*;

const ROLES: [CommitteeRole; 3] = [
    CommitteeRole::Lead,
    CommitteeRole::Contributing,
    CommitteeRole::Informed,
];

#[test]
fn declining_and_releasing_need_a_reason_and_agreeing_names_a_lead() {
    use Position::{Agreed, Declined, Pending, Released};
    let table = [Pending, Agreed, Declined, Released].map(|position| {
        (
            needs_reason(position),
            validate_lead_named(position).is_ok(),
        )
    });
    assert_eq!(
        table,
        [(false, false), (false, true), (true, false), (true, false)]
    );
}

fn pairs() -> impl Iterator<Item = (Position, Position)> {
    all::<Position>().flat_map(|itu| all::<Position>().map(move |upu| (itu, upu)))
}

fn facts(itu: Position, upu: Position) -> TopicFacts {
    TopicFacts {
        itu,
        upu,
        proposed_by: Party::Tsb,
        open_items: 0,
        own_lead: false,
        own_others: false,
    }
}

fn all_facts() -> impl Iterator<Item = TopicFacts> {
    pairs().flat_map(|(itu, upu)| {
        PARTIES.into_iter().flat_map(move |proposed_by| {
            (0..8).map(move |bits| TopicFacts {
                proposed_by,
                open_items: i64::from(bits & 1) * 2,
                own_lead: bits & 2 != 0,
                own_others: bits & 4 != 0,
                ..facts(itu, upu)
            })
        })
    })
}

fn head(table: &mut String, columns: [&str; 3]) {
    let [itu, upu, tsb] = ["ITU", "UPU", "TSB"];
    row(table, [("", 32), (itu, 35), (upu, 35), (tsb, 35)]);
    let group = columns.map(|column| format!("{column:<11}")).concat();
    row(
        table,
        [
            ("ITU       UPU       status", 32),
            (&group, 35),
            (&group, 35),
            (&group, 35),
        ],
    );
}

/// Returns a table with one row per pair of positions and three cells per party.
fn by_positions(columns: [&str; 3], cells: impl Fn(Party, &TopicFacts) -> [Decision; 3]) -> String {
    let mut table = String::new();
    head(&mut table, columns);
    for (itu, upu) in pairs() {
        let facts = facts(itu, upu);
        let [itus, upus, tsbs] = PARTIES.map(|party| {
            let cells = cells(party, &facts);
            cells
                .map(|decision| format!("{:<11}", cell(&decision)))
                .concat()
        });
        let [itu, upu] = [itu, upu].map(|position| name(Some(position)));
        let at = format!("{itu:<9} {upu:<9} {}", name(Some(facts.status())));
        row(
            &mut table,
            [(&at, 32), (&itus, 35), (&upus, 35), (&tsbs, 35)],
        );
    }
    table
}

#[test]
fn which_position_follows_which() {
    let table = by_positions(["AGREED", "DECLINED", "RELEASED"], |party, facts| {
        [Position::Agreed, Position::Declined, Position::Released]
            .map(|to| take_position(party, facts, to))
    });
    insta::assert_snapshot!(table);
}

#[test]
fn a_side_never_goes_back_to_pending_and_never_takes_a_position_twice() {
    for facts in all_facts() {
        for party in [Party::Itu, Party::Upu] {
            let side = party.side().unwrap();
            assert_eq!(
                cell(&take_position(party, &facts, Position::Pending)),
                "now"
            );
            let again = take_position(party, &facts, facts.position(side));
            assert_eq!(cell(&again), "now");
        }
    }
}

#[test]
fn releasing_with_open_action_items() {
    let table = by_positions(["none open", "1 open", "2 open"], |party, facts| {
        [0, 1, 2].map(|open_items| {
            let facts = TopicFacts {
                open_items,
                ..*facts
            };
            take_position(party, &facts, Position::Released)
        })
    });
    insta::assert_snapshot!(table);
}

#[test]
fn who_may_update_by_who_proposed() {
    let table = by_positions(["by ITU", "by UPU", "by TSB"], |party, facts| {
        PARTIES.map(|proposed_by| {
            let facts = TopicFacts {
                proposed_by,
                ..*facts
            };
            update(party, &facts)
        })
    });
    insta::assert_snapshot!(table);
}

/// Returns a committee of `party` that is linked in `role`.
fn own(party: Party, role: Option<CommitteeRole>) -> LinkedCommittee {
    LinkedCommittee {
        party: Some(party),
        role,
    }
}

#[test]
fn who_may_link_an_own_committee() {
    let contributing = Some(CommitteeRole::Contributing);
    let lead = Some(CommitteeRole::Lead);
    let table = by_positions(["new", "as lead", "lead less"], |party, facts| {
        [
            link(party, facts, &own(party, None), CommitteeRole::Informed),
            link(party, facts, &own(party, contributing), CommitteeRole::Lead),
            link(party, facts, &own(party, lead), CommitteeRole::Contributing),
        ]
    });
    insta::assert_snapshot!(table);
}

#[test]
fn who_may_unlink_an_own_committee() {
    let table = by_positions(["not linked", "lead", "other"], |party, facts| {
        [
            None,
            Some(CommitteeRole::Lead),
            Some(CommitteeRole::Informed),
        ]
        .map(|role| unlink(party, facts, &own(party, role)))
    });
    insta::assert_snapshot!(table);
}

#[test]
fn who_may_reaffirm_it() {
    let mut table = String::new();
    row(
        &mut table,
        ["status", "ITU", "UPU", "TSB"].map(|column| (column, 9)),
    );
    for status in all::<TopicStatus>() {
        let (itu, upu) = pairs()
            .find(|positions| crate::domain::topic::status(positions.0, positions.1) == status)
            .unwrap();
        let facts = facts(itu, upu);
        let [itu, upu, tsb] = PARTIES.map(|party| cell(&reaffirm(party, &facts)));
        let status = name(Some(status));
        row(&mut table, [&*status, itu, upu, tsb].map(|cell| (cell, 9)));
    }
    insta::assert_snapshot!(table);
}

#[test]
fn permissions_agree_with_the_mutations() {
    for facts in all_facts() {
        assert_eq!(permissions(None, &facts), []);
        for party in PARTIES {
            let given = permissions(Some(party), &facts);
            assert!(given.is_sorted());
            let may = |permission| given.contains(&permission);

            assert_eq!(may(Permission::Update), update(party, &facts).is_ok());
            assert_eq!(may(Permission::Reaffirm), reaffirm(party, &facts).is_ok());
            assert!(may(Permission::AddNote));
            for (permission, to) in [
                (Permission::Agree, Position::Agreed),
                (Permission::Decline, Position::Declined),
                (Permission::Release, Position::Released),
            ] {
                assert_eq!(may(permission), take_position(party, &facts, to).is_ok());
            }

            let links = ROLES.map(|role| link(party, &facts, &own(party, None), role).is_ok());
            assert_eq!(links, [may(Permission::LinkCommittee); 3]);

            // The committees that are linked according to `facts`; a committee of the TSB never leads.
            let lead = (facts.own_lead && party != Party::Tsb).then_some(CommitteeRole::Lead);
            let other = facts.own_others.then_some(CommitteeRole::Informed);
            let unlinks = [lead, other]
                .into_iter()
                .flatten()
                .any(|role| unlink(party, &facts, &own(party, Some(role))).is_ok());
            if facts.own_lead && party == Party::Tsb {
                continue;
            }
            assert_eq!(may(Permission::UnlinkCommittee), unlinks);
        }
    }
}

#[test]
fn the_sides_are_equal() {
    for facts in all_facts() {
        let across = TopicFacts {
            itu: facts.upu,
            upu: facts.itu,
            proposed_by: exchanged(facts.proposed_by),
            ..facts
        };
        assert_eq!(facts.status(), across.status());
        for party in PARTIES {
            assert_eq!(
                permissions(Some(party), &facts),
                permissions(Some(exchanged(party)), &across)
            );
        }
    }
    for party in PARTIES {
        let (itu, upu) = proposed(party);
        assert_eq!(proposed(exchanged(party)), (upu, itu));
        for named in [true, false] {
            assert_eq!(
                proposal_names_lead(party, named).is_ok(),
                proposal_names_lead(exchanged(party), named).is_ok()
            );
        }
    }
}

#[test]
fn a_review_date_is_in_the_future_when_set_and_due_once_passed() {
    let day = |day| NaiveDate::from_ymd_opt(2026, 1, day).unwrap();
    assert!(validate_review(day(2), day(1)).is_ok());
    assert!(validate_review(day(1), day(1)).is_err());
    let due = |status, on| needs_review(status, on, day(2));
    assert!(due(TopicStatus::Active, Some(day(1))));
    assert!(!due(TopicStatus::Active, Some(day(2))));
    assert!(!due(TopicStatus::Active, None));
    assert!(!due(TopicStatus::Closing, Some(day(1))));
}

#[test]
fn a_proposal_awaits_the_sides_that_are_pending() {
    use Position::{Agreed, Declined, Pending, Released};
    let both = [Side::Itu, Side::Upu];
    assert_eq!(awaiting(Pending, Pending), both);
    assert_eq!(awaiting(Agreed, Pending), [Side::Upu]);
    assert_eq!(awaiting(Pending, Agreed), [Side::Itu]);
    for (itu, upu) in [(Agreed, Agreed), (Declined, Pending), (Pending, Declined)] {
        assert_eq!(awaiting(itu, upu), []);
    }
    assert_eq!(awaiting(Agreed, Released), []);
}
