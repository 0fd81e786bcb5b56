//! Tests of overlaps.

use std::sync::RwLock;

use super::*;
use crate::search::document::OverlapFacts;
use crate::search::{Changes, Indexed, changed_overlaps};

fn document(number: u128, side: Side, title: &str) -> Document {
    Document {
        ty: SearchType::Publication,
        id: Uuid::from_u128(number),
        sides: vec![side],
        texts: vec![Text {
            field: "title",
            language: Language::En,
            content: title.to_owned(),
        }],
        overlap: OverlapFacts {
            side: Some(side),
            ..OverlapFacts::default()
        },
    }
}

/// Words that are as often used as those of a language: few of them often, many of them seldom.
struct Texts {
    seed: u64,
    words: u64,
}

impl Texts {
    fn number(&mut self, below: u64) -> u64 {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.seed >> 33) % below
    }

    fn title(&mut self) -> String {
        let word = |texts: &mut Self| {
            let most = 1 + texts.number(texts.words);
            format!("w{}ord", letters(texts.number(most)))
        };
        (0..9).map(|_| word(self) + " ").collect()
    }
}

fn letters(mut number: u64) -> String {
    let mut letters = String::new();
    while number > 0 || letters.is_empty() {
        letters.push(char::from(b'a' + u8::try_from(number % 26).unwrap()));
        number /= 26;
    }
    letters
}

fn documents(count: u128, words: u64) -> Vec<Document> {
    let mut texts = Texts { seed: 7, words };
    let of = |number: u128| {
        if number.is_multiple_of(2) {
            Side::Itu
        } else {
            Side::Upu
        }
    };
    (0..count)
        .map(|number| document(number, of(number), &texts.title()))
        .collect()
}

fn settled<'d>(documents: impl IntoIterator<Item = &'d Document>) -> Overlaps {
    let mut overlaps = Overlaps::default();
    for document in documents {
        overlaps.put(document);
    }
    overlaps.settle();
    overlaps
}

#[test]
fn pairs_do_not_depend_on_the_order_of_insertion() {
    let mut all = documents(300, 100);
    let mut overlaps = settled(&all[..150]);
    let mut texts = Texts {
        seed: 99,
        words: 100,
    };
    for round in 0..150 {
        overlaps.put(&all[150 + round]);
        let index = usize::try_from(texts.number(all.len() as u64)).unwrap();
        if index < 150 + round {
            let title = texts.title();
            all[index].texts[0].content = title;
            overlaps.put(&all[index]);
        }
        if round % 10 == 0 {
            overlaps.settle();
        }
    }
    for document in all.drain(250..) {
        overlaps.remove(document.id);
    }
    overlaps.settle();
    let anew = settled(&all);
    assert!(anew.pairs.len() > 100, "{}", anew.pairs.len());
    assert_eq!(overlaps.pairs, anew.pairs);
    assert_eq!(overlaps.partners, anew.partners);
}

#[test]
fn a_new_text_changes_few_scores() {
    let mut all = documents(2001, 3000);
    let new = all.pop().unwrap();
    let mut overlaps = settled(&all);
    overlaps.put(&new);
    overlaps.add_rescored();
    assert!(overlaps.changed.contains(&new.id));
    assert!(overlaps.changed.len() < 200, "{}", overlaps.changed.len());
    overlaps.settle();
    all.push(new);
    assert_eq!(overlaps.pairs, settled(&all).pairs);
}

#[test]
fn a_text_at_a_power_of_two_changes_few_scores() {
    let mut all = documents(1024, 3000);
    let mut overlaps = settled(&all);
    overlaps.put(&all[0]);
    overlaps.add_rescored();
    assert_eq!(overlaps.changed, HashSet::from([all[0].id]));
    all[0].texts[0].content = "Certified electronic mail".to_owned();
    overlaps.put(&all[0]);
    overlaps.add_rescored();
    assert!(overlaps.changed.len() < 200, "{}", overlaps.changed.len());
    overlaps.settle();
    assert_eq!(overlaps.pairs, settled(&all).pairs);
}

#[test]
fn the_longest_texts_that_are_the_same_score_1() {
    let mut all = documents(1024, 3000);
    let letters = (0x4e00..).filter_map(char::from_u32).take(8000);
    let content: String = letters.collect();
    for (index, side) in [(0, Side::Itu), (1, Side::Upu)] {
        all[index] = document(index as u128, side, &content);
        all[index].texts[0].language = Language::Zh;
    }
    let page = settled(&all).page(0.0, 1, None);
    let ids = [page.pairs[0].0.1, page.pairs[0].0.2];
    assert_eq!(ids, [all[0].id, all[1].id]);
    assert_eq!(page.pairs[0].1.score.to_string(), "1");
}

#[test]
fn planted_pairs_come_first_among_many_texts() {
    let mut all = documents(20_000, 20_000);
    let mut texts = Texts {
        seed: 3,
        words: 20_000,
    };
    let mut planted = BTreeSet::new();
    for number in 0..40_u128 {
        let title = texts.title();
        let (others, shared) = (texts.title(), title.split(' ').skip(3));
        let words = others.split(' ').take(3).chain(shared);
        let reworded = words.collect::<Vec<_>>().join(" ");
        let [itu, upu] = [0, 1].map(|odd| 100_000 + number * 2 + odd);
        all.push(document(itu, Side::Itu, &title));
        all.push(document(upu, Side::Upu, &reworded));
        planted.insert((Uuid::from_u128(itu), Uuid::from_u128(upu)));
    }
    let page = settled(&all).page(0.0, 60, None);
    let found = page.pairs.iter().map(|((_, itu, upu), _)| (*itu, *upu));
    let found: BTreeSet<_> = found.collect();
    let missing: Vec<_> = planted.difference(&found).collect();
    assert_eq!(missing, Vec::<&(Uuid, Uuid)>::new());
}

#[test]
fn related_texts_are_no_pair() {
    let title = "Certified electronic mail";
    let [mut itu, upu] =
        [(2, Side::Itu), (3, Side::Upu)].map(|(id, side)| document(id, side, title));
    let mut overlaps = settled([&itu, &upu]);
    let page = overlaps.page(0.0, 10, None);
    assert_eq!(
        page.pairs[0].1.shared_terms,
        ["certified", "electronic", "mail"]
    );
    assert_eq!((page.pairs[0].1.score, page.total), (1.0, 1));
    itu.overlap.linked = vec![upu.id];
    overlaps.put(&itu);
    overlaps.settle();
    assert_eq!(overlaps.page(0.0, 10, None).total, 0);
    itu.overlap.linked = Vec::new();
    let mut topic = Document {
        ty: SearchType::Topic,
        overlap: OverlapFacts {
            publications: vec![itu.id, upu.id],
            ..OverlapFacts::default()
        },
        ..document(9, Side::Itu, "")
    };
    overlaps.put(&topic);
    overlaps.put(&itu);
    overlaps.settle();
    assert_eq!(overlaps.page(0.0, 10, None).total, 0);
    topic.overlap.publications.pop();
    overlaps.put(&topic);
    overlaps.settle();
    assert_eq!(overlaps.page(0.0, 10, None).total, 1);
}

#[test]
fn terms_without_texts_are_counted() {
    let of = |number: u64| {
        let title = format!("w{}ord", letters(number));
        document(number.into(), Side::Itu, &title)
    };
    let all: Vec<Document> = (0..4000).map(of).collect();
    let mut overlaps = settled(&all);
    assert!(!overlaps.is_mostly_unused());
    for document in &all[..3000] {
        overlaps.remove(document.id);
    }
    assert!(!overlaps.is_mostly_unused());
    overlaps.remove(all[3000].id);
    assert!(overlaps.is_mostly_unused());
    assert!(!settled(&all[3001..]).is_mostly_unused());
}

#[test]
fn overlaps_that_are_mostly_unused_are_built_anew_with_the_next_change() {
    let indexed = RwLock::new(Indexed::default());
    let mut overlaps = Overlaps::default();
    let mut texts = Texts {
        seed: 5,
        words: 3000,
    };
    let mut documents = Vec::new();
    let mut was_unused = false;
    for round in 0..100_u64 {
        // Of each text the words of the round before are in none any more.
        let numbers = 0..100_u64;
        let changed = numbers.map(|number| {
            let words = 5 * (100 * round + number / 2)..;
            let words = words.take(5).map(|word| format!("n{}ew", letters(word)));
            let title = words.collect::<Vec<_>>().join(" ") + " " + &texts.title();
            let side = [Side::Itu, Side::Upu][usize::from(number % 2 == 1)];
            document(number.into(), side, &title)
        });
        documents = changed.collect();
        let ids = documents.iter().map(|document| document.id).collect();
        for document in &documents {
            indexed.write().unwrap().index.put(document.clone());
        }
        let changes = Changes {
            is_rebuilt: false,
            ids,
        };
        overlaps = changed_overlaps(overlaps, &changes, &indexed);
        if was_unused {
            break;
        }
        was_unused = overlaps.is_mostly_unused();
    }
    assert!(was_unused);
    let anew = settled(&documents);
    assert_eq!(overlaps.terms.len(), anew.terms.len());
    assert!(anew.pairs.len() >= 50, "{}", anew.pairs.len());
    assert_eq!(overlaps.pairs, anew.pairs);
}
