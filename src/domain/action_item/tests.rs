//! Decision tables of the rules for action items.

use crate::domain::action_item::*;
use crate::domain::decision_table::{PARTIES, cell, exchanged, name, row};

/// The relation of a party to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Owner,
    Asker,
    OwnerAndAsker,
    Third,
}

const RELATIONS: [(&str, Relation); 4] = [
    ("owner", Relation::Owner),
    ("asker", Relation::Asker),
    ("owner and asker", Relation::OwnerAndAsker),
    ("third", Relation::Third),
];

fn relation(party: Party, facts: &ActionItemFacts) -> Relation {
    match (party == facts.owned_by, party == facts.requested_by) {
        (true, true) => Relation::OwnerAndAsker,
        (true, false) => Relation::Owner,
        (false, true) => Relation::Asker,
        (false, false) => Relation::Third,
    }
}

/// Returns every combination of party and item.
fn all_cases() -> impl Iterator<Item = (Party, ActionItemFacts)> {
    PARTIES.into_iter().flat_map(|party| {
        PARTIES.into_iter().flat_map(move |owned_by| {
            PARTIES.into_iter().flat_map(move |requested_by| {
                all::<ActionItemStatus>().map(move |status| {
                    let facts = ActionItemFacts {
                        status,
                        owned_by,
                        requested_by,
                    };
                    (party, facts)
                })
            })
        })
    })
}

/// Returns the common result of all cases with this relation and status.
fn same<T: PartialEq + std::fmt::Debug>(
    wanted: Relation,
    status: ActionItemStatus,
    of: impl Fn(Party, &ActionItemFacts) -> T,
) -> T {
    let found: Vec<T> = all_cases()
        .filter(|(party, facts)| relation(*party, facts) == wanted && facts.status == status)
        .map(|(party, facts)| of(party, &facts))
        .collect();
    assert!(found.windows(2).all(|pair| pair[0] == pair[1]), "{found:?}");
    found.into_iter().next().unwrap()
}

#[test]
fn who_may_move_it_where() {
    let mut table = String::new();
    let words: Vec<String> = all::<ActionItemStatus>().map(enum_name).collect();
    let columns = |cells: Vec<String>| {
        let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:<12}")).collect();
        cells.concat()
    };
    row(
        &mut table,
        [("party", 15), ("from", 11), (&columns(words), 0)],
    );
    for (title, relation) in RELATIONS {
        for from in all::<ActionItemStatus>() {
            let cells = all::<ActionItemStatus>()
                .map(|to| {
                    same(relation, from, |party, facts| {
                        cell(&move_to(party, facts, to))
                    })
                })
                .map(str::to_owned);
            row(
                &mut table,
                [
                    (title, 15),
                    (&enum_name(from), 11),
                    (&columns(cells.collect()), 0),
                ],
            );
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn who_may_update_it_and_what_it_is_permitted() {
    let mut table = String::new();
    row(
        &mut table,
        [
            ("party", 15),
            ("status", 11),
            ("update", 6),
            ("permissions", 0),
        ],
    );
    for (title, relation) in RELATIONS {
        for status in all::<ActionItemStatus>() {
            let update = same(relation, status, |party, facts| cell(&update(party, facts)));
            // These do not depend on the status.
            let permissions = same(relation, status, |party, facts| {
                let mut given = permissions(Some(party), facts);
                given.retain(|permission| {
                    !matches!(
                        permission,
                        Permission::Remind | Permission::AddNote | Permission::Translate
                    )
                });
                given
            });
            let permissions = format!("{permissions:?}");
            row(
                &mut table,
                [
                    (title, 15),
                    (&enum_name(status), 11),
                    (update, 6),
                    (&permissions, 0),
                ],
            );
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn who_may_remind_of_it() {
    let mut table = String::new();
    row(
        &mut table,
        ["status", "ITU", "UPU", "TSB"].map(|column| (column, 11)),
    );
    for status in all::<ActionItemStatus>() {
        let facts = ActionItemFacts {
            status,
            owned_by: Party::Itu,
            requested_by: Party::Upu,
        };
        let [itu, upu, tsb] = PARTIES.map(|party| cell(&remind(party, &facts)));
        row(
            &mut table,
            [&*enum_name(status), itu, upu, tsb].map(|cell| (cell, 11)),
        );
    }
    insta::assert_snapshot!(table);
}

#[test]
fn which_moves_need_a_note() {
    let mut table = String::new();
    for from in all::<ActionItemStatus>() {
        for to in all::<ActionItemStatus>().filter(|to| transition(from, *to).is_some()) {
            let note = format!("{:?}", note_requirement(from, to));
            row(
                &mut table,
                [(&enum_name(from), 11), (&enum_name(to), 11), (&note, 0)],
            );
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn permissions_agree_with_the_mutations() {
    for (party, facts) in all_cases() {
        assert_eq!(permissions(None, &facts), []);
        assert_eq!(next_moves(None, &facts), []);
        let given = permissions(Some(party), &facts);
        assert!(given.is_sorted());
        assert_eq!(
            given.contains(&Permission::Update),
            update(party, &facts).is_ok()
        );
        assert_eq!(
            given.contains(&Permission::Remind),
            remind(party, &facts).is_ok()
        );
        assert!(given.contains(&Permission::AddNote));
        let next = next_moves(Some(party), &facts);
        assert!(next.iter().map(|next| next.to).is_sorted());
        for to in all::<ActionItemStatus>() {
            let offered = next.iter().find(|next| next.to == to);
            assert_eq!(offered.is_some(), move_to(party, &facts, to).is_ok());
            assert!(offered.is_none_or(|next| given.contains(&next.permission)));
        }
        let others = [
            Permission::Update,
            Permission::Remind,
            Permission::AddNote,
            Permission::Translate,
        ];
        let moves = given.iter().filter(|given| !others.contains(given));
        assert_eq!(moves.count(), next.len());
    }
}

#[test]
fn items_are_created_on_active_topics_as_task_or_request() {
    let mut table = String::new();
    for status in all::<TopicStatus>() {
        row(
            &mut table,
            [(&enum_name(status), 12), (cell(&create(status)), 0)],
        );
    }
    for asker in PARTIES {
        for owner in PARTIES {
            row(
                &mut table,
                [
                    (
                        &format!("{} asks {}", enum_name(asker), enum_name(owner)),
                        12,
                    ),
                    (&enum_name(first(asker, owner)), 0),
                ],
            );
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn the_sides_are_equal() {
    for (party, facts) in all_cases() {
        let across = ActionItemFacts {
            status: facts.status,
            owned_by: exchanged(facts.owned_by),
            requested_by: exchanged(facts.requested_by),
        };
        let opposite = Some(exchanged(party));
        assert_eq!(
            permissions(Some(party), &facts),
            permissions(opposite, &across)
        );
        assert_eq!(
            next_moves(Some(party), &facts),
            next_moves(opposite, &across)
        );
        assert_eq!(
            first(party, facts.owned_by),
            first(exchanged(party), across.owned_by)
        );
    }
}

#[test]
fn an_open_item_is_overdue_after_its_due_date() {
    let day = |day| NaiveDate::from_ymd_opt(2026, 1, day);
    let today = day(2).unwrap();
    for status in all::<ActionItemStatus>() {
        assert_eq!(overdue(status, day(1), today), is_open(status));
        assert!(!overdue(status, day(2), today));
        assert!(!overdue(status, None, today));
    }
    assert_eq!(name(Some(OPEN[3])), "POSTPONED");
}
