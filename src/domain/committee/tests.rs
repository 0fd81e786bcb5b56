//! Decision tables of the rules for committees.

use crate::domain::committee::*;
use crate::domain::decision_table::{PARTIES, SIDES, cell, exchanged, name, row};

/// The combinations of side and acting party of a committee, with their labels.
const KINDS: [(&str, Option<Side>, Option<Party>); 4] = [
    ("of ITU", Some(Side::Itu), Some(Party::Itu)),
    ("of the TSB", Some(Side::Itu), Some(Party::Tsb)),
    ("of UPU", Some(Side::Upu), Some(Party::Upu)),
    ("of a partner", None, None),
];

/// Status, number of open topics led, number of open items owned.
const STATES: [(CommitteeStatus, i64, i64); 5] = [
    (CommitteeStatus::Active, 0, 0),
    (CommitteeStatus::Active, 1, 0),
    (CommitteeStatus::Active, 0, 1),
    (CommitteeStatus::Active, 2, 3),
    (CommitteeStatus::Concluded, 0, 0),
];

fn all_facts() -> impl Iterator<Item = (&'static str, CommitteeFacts)> {
    KINDS.into_iter().flat_map(|(kind, side, party)| {
        STATES
            .into_iter()
            .map(move |(status, leads_open_topics, open_items)| {
                let facts = CommitteeFacts {
                    side,
                    party,
                    status,
                    leads_open_topics,
                    open_items,
                };
                (kind, facts)
            })
    })
}

#[test]
fn who_may_do_what_to_a_committee() {
    let mut table = String::new();
    let head = [
        "committee",
        "status",
        "leads",
        "owns",
        "party",
        "update",
        "conclude",
    ];
    row(&mut table, head.map(|column| (column, 12)));
    for (kind, facts) in all_facts() {
        for party in PARTIES {
            let update = write(party, facts.side, facts.party);
            let conclude = conclude(party, &facts);
            row(
                &mut table,
                [
                    kind,
                    &name(Some(facts.status)),
                    &facts.leads_open_topics.to_string(),
                    &facts.open_items.to_string(),
                    &name(Some(party)),
                    cell(&update),
                    cell(&conclude),
                ]
                .map(|cell| (cell, 12)),
            );
            let given = permissions(Some(party), &facts);
            assert_eq!(given.contains(&Permission::Update), update.is_ok());
            assert_eq!(given.contains(&Permission::Conclude), conclude.is_ok());
            assert!(given.is_sorted());
        }
        assert_eq!(permissions(None, &facts), []);
    }
    insta::assert_snapshot!(table);
}

#[test]
fn what_a_committee_may_be_used_for() {
    let mut table = String::new();
    let head = [
        "committee",
        "status",
        "linked by",
        "or",
        "or",
        "leads",
        "owns items",
    ];
    row(&mut table, head.map(|column| (column, 12)));
    for (kind, _, acting) in KINDS {
        for status in [CommitteeStatus::Active, CommitteeStatus::Concluded] {
            let [itu, upu, tsb] = PARTIES.map(|party| {
                if can_link(party, acting).is_ok() {
                    name(Some(party))
                } else {
                    "–".to_owned()
                }
            });
            let yes = |finding: Result<(), String>| finding.map_or("invalid", |()| "yes");
            row(
                &mut table,
                [
                    kind,
                    &name(Some(status)),
                    &itu,
                    &upu,
                    &tsb,
                    yes(can_lead(acting, status)),
                    yes(can_own_items(acting, status)),
                ]
                .map(|cell| (cell, 12)),
            );
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn the_bureau_acts_for_its_own_committees_and_for_no_others() {
    for side in SIDES {
        assert_eq!(party_of("ITU-T", side), side.map(Side::party));
    }
    assert_eq!(party_of("TSB", Some(Side::Itu)), Some(Party::Tsb));
    assert_eq!(party_of("TSB", Some(Side::Upu)), Some(Party::Upu));
    assert_eq!(party_of("TSB", None), None);
}

#[test]
fn the_sides_are_equal() {
    for (_, facts) in all_facts() {
        // The TSB's committees have no counterpart on the other side.
        if facts.party == Some(Party::Tsb) {
            continue;
        }
        let across = CommitteeFacts {
            side: facts.side.map(Side::other),
            party: facts.party.map(exchanged),
            ..facts
        };
        for party in [Party::Itu, Party::Upu] {
            let here = permissions(Some(party), &facts);
            assert_eq!(here, permissions(Some(exchanged(party)), &across));
            assert_eq!(
                can_link(party, facts.party).is_ok(),
                can_link(exchanged(party), across.party).is_ok()
            );
        }
        assert_eq!(
            can_lead(facts.party, facts.status).is_ok(),
            can_lead(across.party, facts.status).is_ok()
        );
    }
}

#[test]
fn a_committee_does_not_end_before_it_starts() {
    let day = |day| NaiveDate::from_ymd_opt(2026, 1, day);
    assert!(validate_dates(day(2), day(2)).is_ok());
    assert!(validate_dates(day(2), None).is_ok());
    assert!(validate_dates(None, day(1)).is_ok());
    assert!(validate_dates(day(2), day(1)).is_err());
}

#[test]
fn a_committee_is_not_its_own_predecessor() {
    assert!(validate_predecessors(false).is_ok());
    assert!(validate_predecessors(true).is_err());
}
