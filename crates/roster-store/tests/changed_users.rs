//! Users who change, leave, come back and are erased while everything that is kept beside their rows follows: every list
//! is what reading everybody would answer, in this process and in another one, at sizes beyond a block of the index.

use std::collections::{BTreeSet, HashMap, HashSet};

use roster_directory::{
    Actor, Change, NewUser, Organization, OrganizationId, Query, Role, RoleSet, Timestamp, User, UserId, Write,
    audit::{Action, Entry, RequestId, Target},
    query::{Order, Page, SortKey},
    search::Terms,
    user::{Deactivation, Diff, EmailKey, Status},
};
use roster_store::{Error, Location, Options, Store};

/// These tests ask what is written, and not how soon: a busy machine takes long over a large batch.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

const BLOCK: usize = 1 << 16;
const CHUNK: usize = 1 << 13;

/// Changes under way at once.
const AT_ONCE: usize = 500;

fn entry(target: Target, action: Action) -> Entry {
    let (at, request) = (Timestamp::from_millis(0), RequestId::new(1));
    Entry {
        at,
        actor: Actor::CommandLine,
        action,
        target,
        fields: String::new(),
        roles: roster_directory::audit::Roles::default(),
        request,
    }
}

fn change(organization: OrganizationId, action: Action, target: Target, write: Write) -> Change {
    Change { organization, audit: entry(target, action), writes: vec![write], owed: Vec::new(), answer: None }
}

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

/// Everybody there ever was, in the order in which they were created.
struct Model {
    organization: OrganizationId,
    users: Vec<Option<User>>,
    /// E-mails of active users.
    taken: HashSet<String>,
    /// E-mails that became free; and those that do in the batch at hand, in which there is no order.
    freed: Vec<String>,
    soon_freed: Vec<String>,
    /// The ids of those who are erased.
    erased: Vec<UserId>,
    random: Random,
    named: u32,
}

/// Of whom what is asked.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Act {
    Patch,
    Deactivate,
    Restore,
    Erase,
}

impl Model {
    fn new_user(&mut self) -> User {
        let n = self.users.len();
        let first = ["Ann", "Bertram", "Mary Ann", "Jo", "Xavier"][n % 5];
        let last = ["Lee", "Doe", "Brandt", "Ng"][n / 3 % 4];
        let new = NewUser {
            email: (!n.is_multiple_of(3)).then(|| format!("user{n}@example.com").parse().expect("an e-mail")),
            role: Role::ALL[n % Role::ALL.len()],
            phone: n.is_multiple_of(5).then(|| format!("+1 (415) {:06}", n).parse().expect("a phone")),
            ..NewUser::named(first.parse().expect("a name"), last.parse().expect("a name"))
        };
        let id = UserId::new(Timestamp::from_millis(1_736_937_000_000), n as u128 + 1);
        new.into_user(id, Vec::new(), Timestamp::from_millis(0))
    }

    async fn create(&mut self, store: &Store, count: usize) {
        for _ in 0..count.div_ceil(AT_ONCE) {
            let mut changes = Vec::new();
            for _ in 0..AT_ONCE.min(count) {
                let user = self.new_user();
                self.taken.extend(user.email.as_ref().map(|email| email.as_str().to_owned()));
                self.users.push(Some(user.clone()));
                let target = Target::User(user.id);
                let write = Write::User(Box::new(Diff::Created(user)));
                changes.push(change(self.organization, Action::UserCreated, target, write));
            }
            for outcome in commit(store, changes).await {
                outcome.expect("a new user");
            }
        }
    }

    /// Somebody: often next to where a chunk or a block ends.
    fn somebody(&mut self) -> usize {
        let border = self.random.pick(&[0, CHUNK, 2 * CHUNK, BLOCK, BLOCK + CHUNK, self.users.len()]);
        let near = (border + self.random.below(9)).saturating_sub(4).min(self.users.len() - 1);
        let anywhere = self.random.below(self.users.len());
        if self.random.below(10) == 0 { near } else { anywhere }
    }

    fn fresh_email(&mut self) -> String {
        while self.random.below(3) == 0
            && let Some(freed) = self.freed.pop()
        {
            if !self.taken.contains(&freed) {
                return freed;
            }
        }
        self.named += 1;
        format!("changed{}@example.org", self.named)
    }

    /// What becomes of somebody, if that can be.
    fn becomes(&mut self, act: Act, before: &User) -> Option<Diff> {
        let mut after = before.clone();
        after.version += 1;
        match (act, before.status()) {
            (Act::Patch, status) => {
                let what = self.random.below(6);
                match what {
                    0 => after.first_name = self.random.pick(&["Quentin", "Ann", "Zelda"]).parse().expect("a name"),
                    1 => after.last_name = format!("Changed{}", self.named % 100).parse().expect("a name"),
                    2 if self.random.below(4) == 0 => after.email = None,
                    2 => after.email = Some(self.fresh_email().parse().expect("an e-mail")),
                    3 => after.role = self.random.pick(&Role::ALL),
                    4 => after.phone = format!("212 {:07}", self.random.below(10_000_000)).parse().ok(),
                    _ => after.should_send_sms = !after.should_send_sms,
                }
                self.named += 1;
                self.exchange_email(status, before, status, &after);
            }
            (Act::Deactivate, Status::Active) => {
                after.deactivated = Some(Deactivation { at: Timestamp::from_millis(0), reason: None });
                self.exchange_email(Status::Active, before, Status::Deactivated, &after);
            }
            (Act::Restore, Status::Deactivated) => {
                after.deactivated = None;
                let is_taken = before.email.as_ref().is_some_and(|email| self.taken.contains(email.as_str()));
                if is_taken || self.random.below(4) == 0 {
                    after.email = Some(self.fresh_email().parse().expect("an e-mail"));
                }
                self.exchange_email(Status::Deactivated, before, Status::Active, &after);
            }
            (Act::Erase, Status::Deactivated) => return Some(Diff::Erased(before.clone())),
            _ => return None,
        }
        Some(Diff::Changed { before: before.clone(), after })
    }

    fn exchange_email(&mut self, had: Status, before: &User, has: Status, after: &User) {
        let of = |user: &User, status| {
            user.email.as_ref().filter(|_| status == Status::Active).map(|email| email.as_str().to_owned())
        };
        let (before, after) = (of(before, had), of(after, has));
        if before != after {
            self.soon_freed.extend(before);
            self.taken.extend(after);
        }
    }

    /// Does so many acts, many at once, each of another user in its batch; by this store or that one.
    async fn act(&mut self, stores: [&Store; 2], acts: &[Act], count: usize) {
        let mut done = 0;
        while done < count {
            let (mut changes, mut chosen) = (Vec::new(), BTreeSet::new());
            for _ in 0..AT_ONCE.min(count - done) {
                done += 1;
                let (nth, act) = (self.somebody(), self.random.pick(acts));
                let diff = match &self.users[nth].clone() {
                    Some(user) if chosen.insert(nth) => self.becomes(act, user),
                    _ => None,
                };
                if let Some(diff) = diff {
                    let action = match act {
                        Act::Patch => Action::UserUpdated,
                        Act::Deactivate => Action::UserDeactivated,
                        Act::Restore => Action::UserRestored,
                        Act::Erase => Action::UserErased,
                    };
                    let target = Target::User(diff.user().id);
                    if let Diff::Erased(user) = &diff {
                        self.erased.push(user.id);
                    }
                    self.users[nth] = diff.after().cloned();
                    changes.push(change(self.organization, action, target, Write::User(Box::new(diff))));
                }
            }
            for email in std::mem::take(&mut self.soon_freed) {
                self.taken.remove(&email);
                self.freed.insert(0, email);
            }
            let half = changes.split_off(changes.len() / 2);
            let (one, two) = tokio::join!(commit(stores[0], changes), commit(stores[1], half));
            for outcome in one.into_iter().chain(two) {
                outcome.expect("a change that fits");
            }
        }
    }

    /// The users that a query is about, in creation order.
    fn found(&self, query: &Question) -> Vec<UserId> {
        let terms: Vec<String> = query.search.split(' ').map(str::to_lowercase).filter(|t| !t.is_empty()).collect();
        let users = self.users.iter().flatten();
        let users = users.filter(|user| RoleSet::EVERYONE_LISTED.contains(user.role));
        let users = users.filter(|user| query.role.is_none_or(|role| user.role == role));
        let users = users.filter(|user| query.status.is_none_or(|status| user.status() == status));
        let users = users.filter(|user| {
            let own = user.email.as_ref().map(|email| email.as_str().to_lowercase());
            query.email.as_ref().is_none_or(|email| own.as_ref() == Some(email))
        });
        users.filter(|user| terms.iter().all(|term| contains(user, term))).map(|user| user.id).collect()
    }
}

fn contains(user: &User, term: &str) -> bool {
    let has = |text: &str| text.to_lowercase().contains(term);
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    has(user.first_name.as_str())
        || has(user.last_name.as_str())
        || user.email.as_ref().is_some_and(|email| has(email.as_str()))
        || term.chars().all(|c| c.is_ascii_digit())
            && user.phone.as_ref().is_some_and(|phone| digits(phone.as_str()).contains(term))
        || user.id.as_str() == term
}

async fn commit(store: &Store, changes: Vec<Change>) -> Vec<Result<Timestamp, Error>> {
    let commits = changes.into_iter().map(|change| {
        let store = store.clone();
        tokio::spawn(async move { store.commit(change).await })
    });
    let mut outcomes = Vec::new();
    for commit in commits.collect::<Vec<_>>() {
        outcomes.push(commit.await.expect("no panic"));
    }
    outcomes
}

/// Which users are asked for.
#[derive(Debug, Clone)]
struct Question {
    status: Option<Status>,
    role: Option<Role>,
    search: String,
    email: Option<String>,
}

fn questions(model: &mut Model, most: usize) -> Vec<Question> {
    let mut questions = Vec::new();
    let named = model.named;
    let mut searches: Vec<String> = ["", "ann", "quentin", "ann lee", "changed1", "415 00", "2125", "zzz", "n"]
        .into_iter()
        .map(str::to_owned)
        .collect();
    searches.push(format!("changed{}@", named / 2));
    for _ in 0..4 {
        let nth = model.somebody();
        searches.push(format!("user{nth}@"));
        searches.extend(model.users[nth].as_ref().map(|user| user.id.to_string()));
    }
    searches.extend(model.erased.last().map(|id| id.to_string()));
    // Some of them each time: reading everybody takes a while in a debug build.
    let mut some = vec![String::new()];
    some.extend((0..most).map(|_| model.random.pick(&searches)));
    for search in some {
        for status in [Some(Status::Active), Some(Status::Deactivated), None] {
            let role = model.random.pick(&[None, Some(Role::Patient)]);
            questions.push(Question { status, role, search: search.clone(), email: None });
        }
    }
    for _ in 0..20 {
        let nth = model.somebody();
        let emails = [
            model.freed.first().cloned(),
            model.users[nth].as_ref().and_then(|user| Some(user.email.as_ref()?.as_str().to_owned())),
            Some(format!("user{nth}@example.com")),
        ];
        for email in emails.into_iter().flatten() {
            for status in [Some(Status::Active), None] {
                questions.push(Question { status, role: None, search: String::new(), email: Some(email.clone()) });
            }
        }
    }
    questions
}

/// Asks, with so many searches at most, in every order, for pages near both ends and in the middle, and after cursors, of each store.
async fn check(model: &mut Model, stores: &[&Store], most: usize, when: &str) {
    let order_of: HashMap<UserId, usize> =
        model.users.iter().enumerate().filter_map(|(nth, user)| Some((user.as_ref()?.id, nth))).collect();
    for question in questions(model, most) {
        let oldest_first = model.found(&question);
        let total = oldest_first.len();
        for order in [Order::NewestFirst, Order::OldestFirst] {
            let mut expected = oldest_first.clone();
            if order == Order::NewestFirst {
                expected.reverse();
            }
            let size = model.random.pick(&[1, 7, 25, 100]);
            let last = total.div_ceil(size).max(1);
            let middle = 1 + model.random.below(last);
            let numbers = match question.search.is_empty() {
                true => vec![1, middle, last, last + 1],
                false => vec![model.random.pick(&[1, middle, last])],
            };
            for number in numbers {
                let from = ((number - 1) * size).min(total);
                let page = &expected[from..(from + size).min(total)];
                for store in stores {
                    let query = question.query(order, None, number, size);
                    let listing = store.list(model.organization, query).await.expect("a list");
                    let ids: Vec<UserId> = listing.users.iter().map(|user| user.profile.id).collect();
                    assert_eq!(ids, page, "{when} {question:?} {order:?} {number} {size}");
                    assert_eq!(listing.total as usize, total, "{when} {question:?}");
                }
            }
            // After anybody at all whom the list might show: it need not.
            let nth = model.somebody();
            if !question.search.is_empty() && model.random.below(3) > 0 {
                continue;
            }
            let cursor = model.users[nth].as_ref().filter(|user| RoleSet::EVERYONE_LISTED.contains(user.role));
            if let Some(cursor) = cursor.map(|user| user.id) {
                let is_after = |id: &&UserId| match order {
                    Order::OldestFirst => order_of[*id] > order_of[&cursor],
                    _ => order_of[*id] < order_of[&cursor],
                };
                let page: Vec<UserId> = expected.iter().filter(is_after).take(size).copied().collect();
                for store in stores {
                    let query = question.query(order, Some(cursor), 1, size);
                    let listing = store.list(model.organization, query).await.expect("a list");
                    let ids: Vec<UserId> = listing.users.iter().map(|user| user.profile.id).collect();
                    assert_eq!(ids, page, "{when} {question:?} {order:?} after {cursor}");
                    assert_eq!(listing.total as usize, total, "{when} {question:?}");
                }
            }
        }
    }
    for _ in 0..50 {
        let nth = model.somebody();
        let Some(expected) = &model.users[nth] else { continue };
        for store in stores {
            let user = store.user(model.organization, expected.id).await.expect("a read").expect("a user");
            assert_eq!(&user, expected, "{when}");
            let profile = store.profile(model.organization, expected.id).await.expect("a read").expect("a user");
            assert_eq!(profile, expected.clone().into(), "{when}");
        }
    }
    for id in model.erased.iter().rev().take(50) {
        for store in stores {
            assert_eq!(store.user(model.organization, *id).await.expect("a read"), None, "{when}");
            assert_eq!(store.profile(model.organization, *id).await.expect("a read"), None, "{when}");
        }
    }
}

impl Question {
    fn query(&self, order: Order, after: Option<UserId>, number: usize, size: usize) -> Query {
        Query {
            visible: RoleSet::EVERYONE_LISTED,
            role: self.role,
            status: self.status,
            whole: false,
            email: self.email.as_ref().map(|email| EmailKey::sought(email).expect("an e-mail")),
            search: Terms::parse(&self.search).expect("a search"),
            key: SortKey::CreatedAt,
            order,
            after,
            after_turn: None,
            page: Page { number: number as u64, size: size as u32 },
        }
    }
}

/// Nobody who is erased is proposed by the index any more.
fn assert_no_posting_of_the_erased(file: &rusqlite::Connection) {
    let strings = |sql: &str| {
        let mut statement = file.prepare(sql).expect("a query");
        let rows = statement.query_map([], |row| row.get::<_, i64>(0)).expect("rows");
        rows.collect::<Result<BTreeSet<_>, _>>().expect("numbers")
    };
    let (there, erased) = (strings("select place from users"), strings("select place from erased"));
    assert!(!erased.is_empty() && erased.is_disjoint(&there));
    let sql = "select p.organization, p.chunk, s.place, s.offsets from search_posting s \
               join search_piece p on p.number = s.place >> 24";
    let mut statement = file.prepare(sql).expect("a query");
    let mut rows = statement.query([]).expect("rows");
    let mut proposed = 0;
    while let Some(row) = rows.next().expect("a row") {
        let (organization, chunk): (i64, i64) = (row.get(0).expect("a number"), row.get(1).expect("a number"));
        let start = if chunk < 0 { (-1 - chunk) * BLOCK as i64 } else { chunk * CHUNK as i64 };
        let offsets: Vec<u8> = row.get(3).expect("bytes");
        for offset in offsets.chunks(2) {
            let place = (organization << 36) + start + i64::from(u16::from_le_bytes([offset[0], offset[1]]));
            assert!(!erased.contains(&place), "{place} in piece {chunk} is erased");
            proposed += 1;
        }
    }
    assert!(proposed > 100_000, "{proposed}");
}

/// On one thread, where what is spawned first begins first: the order of creates is that of the model.
#[tokio::test]
async fn a_list_is_what_reading_everybody_would_answer_however_they_change() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("roster.db");
    let location = Location::Sqlite(path.clone());
    let store = Store::open(&location, &Options::default()).await.expect("a new database");
    let other = Store::open(&location, &Options::default()).await.expect("the same database");
    let id = OrganizationId::new(1);
    let organization = Organization::new(id, "Example".parse().expect("a name"), Timestamp::from_millis(0));
    let created = change(id, Action::OrganizationCreated, Target::Organization(id), Write::Organization(organization));
    store.commit(created).await.expect("an organization");
    let seed = std::env::var("SEED").map_or(14, |seed| seed.parse().expect("a number"));
    let mut model = Model {
        organization: id,
        users: Vec::new(),
        taken: HashSet::new(),
        freed: Vec::new(),
        soon_freed: Vec::new(),
        erased: Vec::new(),
        random: Random(seed),
        named: 0,
    };
    let (stores, all) = ([&store, &other], [Act::Patch, Act::Patch, Act::Deactivate, Act::Restore, Act::Erase]);

    // Within the first chunk, while there is no index; and then across its border.
    model.create(&store, CHUNK - 1_000).await;
    model.act(stores, &all, 600).await;
    check(&mut model, &stores, 4, "without an index").await;
    model.create(&other, 2_000).await;
    model.act(stores, &all, 600).await;
    check(&mut model, &stores, 4, "while the first chunk is indexed").await;
    store.search_index_settled().await;
    check(&mut model, &stores, 4, "a chunk").await;

    // Across the border of a block.
    model.create(&store, BLOCK).await;
    model.act(stores, &all, 1_000).await;
    check(&mut model, &stores, 1, "while the block is indexed").await;
    store.search_index_settled().await;
    check(&mut model, &stores, 4, "a block").await;
    model.act(stores, &all, 3_000).await;
    check(&mut model, &stores, 4, "many changes").await;

    // So many left that lists cannot pass over them one by one; then so many that they are not the few.
    model.act(stores, &[Act::Deactivate, Act::Deactivate, Act::Patch, Act::Erase], 6_000).await;
    check(&mut model, &stores, 2, "thousands left").await;
    other.search_index_settled().await;
    check(&mut model, &stores, 4, "thousands left, settled").await;
    model.act(stores, &[Act::Deactivate, Act::Erase], 20_000).await;
    check(&mut model, &stores, 2, "many left").await;
    model.act(stores, &[Act::Restore], 4_000).await;
    check(&mut model, &stores, 2, "some are back").await;
    // It follows some thousands at a time.
    for _ in 0..10 {
        store.search_index_settled().await;
    }
    check(&mut model, &stores, 4, "settled").await;
    let file = rusqlite::Connection::open(&path).expect("the same file");
    assert_no_posting_of_the_erased(&file);

    // Without the index and without anything in memory it is the same.
    let without_index = Options { index: false, patience: PATIENCE, ..Options::default() };
    let plain = Store::open(&location, &without_index).await.expect("the same database");
    check(&mut model, &[&plain], 1, "opened anew").await;
}
