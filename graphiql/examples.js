// The tabs of a first visit. Ids are opaque: those in the variables are queried when the page opens.

const IDS = `query Ids {
  itu: committee(by: { key: { organization: "ITU-T", code: "SG17" } }) { id }
  upu: committee(by: { key: { organization: "POC", code: "C4" } }) { id }
  provision: mandate(code: "RES-11-DUBAI-2012") { provisions { id section } }
  waiting: topics(first: 1, filter: { status: [PROPOSED], proposedBy: [ITU] }, orderBy: { field: CODE }) { nodes { id } }
  active: topics(first: 1, filter: { status: [ACTIVE] }, orderBy: { field: CODE }) { nodes { id } }
  requested: actionItems(first: 1, filter: { status: [REQUESTED], side: [UPU] }) { nodes { id version } }
  texts: publications(first: 20, filter: { status: [IN_FORCE] }) { nodes { id examinations { complete } } }
}`;

const DASHBOARD = `# Every topic, its committees, and what is due next.
# Run it: the button with the arrow, or Ctrl-Enter.
query Dashboard {
  topics(first: 20) {
    nodes {
      code
      title
      status
      committees {
        role
        committee { code organization { acronym } }
      }
      actionItems(first: 5, orderBy: { field: DUE_ON }) {
        nodes {
          code
          title
          status
          dueOn
          overdue
          committee { code }
        }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}
`;

const COMMITTEE = `# One committee: what it owes, and its place in time.
# Codes return in later periods; without a period
# the key means the newest.
query OneCommittee($key: CommitteeKey!) {
  committee(by: { key: $key }) {
    code
    name
    period
    status
    organization { acronym name }
    predecessors { code period name }
    successors { code period name }
    topics(first: 10) {
      nodes { code title status }
    }
    actionItems(first: 10, orderBy: { field: CODE }) {
      totalCount
      nodes {
        code
        title
        status
        dueOn
        overdue
        topic { code }
      }
    }
  }
}
`;

const VIEWER = `# Who the token above says you are, and what you
# may do to a topic as it stands. Try it without one.
query WhoAmI {
  viewer { subject roles party expiresAt }
  topic(by: { code: "T-1" }) {
    title
    status
    positions { side position takenAt }
    viewerPermissions
  }
}
`;

const OPEN_ITEMS = `# Open action items, page by page: for the next one,
# put the endCursor of the answer into "after".
query OpenActionItems(
  $first: Int
  $after: String
  $filter: ActionItemFilter
) {
  actionItems(
    first: $first
    after: $after
    filter: $filter
    orderBy: { field: DUE_ON }
  ) {
    totalCount
    nodes {
      id
      version
      code
      title
      status
      nextMoves { to permission note }
      priority
      dueOn
      overdue
      topic { code }
      committee { code period side }
    }
    pageInfo { hasNextPage endCursor }
  }
}
`;

const REPORT = `# What the TSB reports: both sides of a period side by
# side. Days are those of UTC; both ends belong to it.
query Report($from: Date!, $to: Date!) {
  report(from: $from, to: $to) {
    topicsByStatus { status count }
    sides {
      side
      topicsProposed
      actionItemsRequested
      actionItemsReceived
      actionItemsDone
      actionItemsOverdue
      medianDaysToDone
      liaisonStatementsSent
      repliesOverdue
      findingsRecorded
    }
    staleTopics { code title reviewOn }
    silentTopics { code title }
  }
}
`;

const HISTORY = `# What changed, oldest first. Keep the endCursor: with
# it as "after" the next answer is what changed since.
query WhatChanged($first: Int, $after: String, $filter: ActivityFilter) {
  activities(first: $first, after: $after, filter: $filter) {
    nodes {
      at
      party
      verb
      subject {
        __typename
        id
        ... on Topic { code title }
        ... on ActionItem { code title }
        ... on Publication { number title }
      }
      changes { field before after }
    }
    pageInfo { hasNextPage endCursor }
  }
}
`;

const PUBLICATIONS = `# Publications by a word of their number or title,
# with what both sides found in them.
query Publications($first: Int, $filter: PublicationFilter) {
  publications(first: $first, filter: $filter) {
    totalCount
    nodes {
      number
      title
      kind
      status
      approvedOn
      organization { acronym }
      supersedes { number }
      examinations { complete findings { side impact } }
    }
    pageInfo { hasNextPage endCursor }
  }
}
`;

const SEARCH = `# Everything with these words, in all languages, best first.
# The last word may be incomplete; codes as you write them.
query Search($text: String!) {
  search(text: $text, first: 10) {
    totalCount
    countsByType { type count }
    edges {
      score
      node {
        __typename
        ... on Organization { acronym name }
        ... on Committee { code period name }
        ... on Topic { code title }
        ... on ActionItem { code title }
        ... on Publication { number title }
        ... on LiaisonStatement { code title }
        ... on Note { body }
      }
      highlights { field language fragments { text isMatch } }
    }
  }
}
`;

const OVERLAPS = `# Texts of both sides on the same ground that are not
# related yet, most alike first.
query Overlaps($first: Int) {
  overlaps(first: $first) {
    totalCount
    nodes {
      score
      sharedTerms
      itu { ... on Publication { number title } ... on Topic { code title } }
      upu { ... on Publication { number title } ... on Topic { code title } }
    }
    pageInfo { hasNextPage endCursor }
  }
}
`;

const LANGUAGES = `# Names and titles in the first of these languages that
# they are there in, and which language each came in.
# Sorted by the names as they are shown.
query InMyLanguages($languages: [Language!]) @inContext(languages: $languages) {
  organizations(first: 10, orderBy: { field: NAME }) {
    nodes {
      acronym
      name
      nameLanguage
      originalLanguage
      russian: name(language: RU)
      translations { language text kind outdated }
    }
  }
}
`;

const EXAMINATIONS = `# Examinations that wait for a finding of UPU. Without
# a filter the list has the complete ones, too.
query Examinations($first: Int, $filter: ExaminationFilter) {
  examinations(first: $first, filter: $filter) {
    totalCount
    nodes {
      publication { number title }
      requestedBy
      reason
      dueOn
      overdue
      findings { side impact }
      viewerPermissions
    }
    pageInfo { hasNextPage endCursor }
  }
}
`;

const EXCHANGE = `# What two committees share: topics of both, open action
# items, and statements that still need a reply.
query Exchange($committee: ID!, $counterpart: ID!) {
  exchange(committee: $committee, counterpart: $counterpart) {
    committee { code name }
    counterpart { code name }
    sharedTopics { code title status }
    actionItems { code title status dueOn overdue }
    unansweredStatements { code title sentAt }
    lastActivityAt
  }
}
`;

const NODE = `# Any record by its id. The fragments say what to read
# of each type.
query AnyRecord($id: ID!) {
  node(id: $id) {
    __typename
    id
    ... on Topic { code title status }
    ... on Committee { code name period }
    ... on Publication { title approvedOn }
  }
}
`;

const WATCH = `# Each change as it happens. Run it, then run one of the
# mutations in another browser window.
subscription Watch($filter: ActivityFilter) {
  activity(filter: $filter) {
    cursor
    at
    party
    verb
    subject {
      __typename
      id
      ... on Topic { code title }
    }
    changes { field before after }
  }
}
`;

const PROPOSE = `# As ITU_EDITOR: a topic, led by one of ITU's own
# committees. Its id (SG17's) was filled in when this
# page opened.
mutation ProposeTopic($input: TopicProposeInput!) {
  topicPropose(input: $input) {
    topic {
      id
      code
      title
      status
      positions { side position }
    }
    userErrors { code field message }
  }
}
`;

const TAKE_POSITION = `# As UPU_EDITOR: agree to a topic that ITU proposed,
# and name the committee that leads it for UPU.
# Once both sides agree, the topic is ACTIVE.
mutation TakePosition($input: TopicTakePositionInput!) {
  topicTakePosition(input: $input) {
    topic {
      code
      title
      status
      positions { side position takenAt }
      viewerPermissions
    }
    userErrors { code field message }
  }
}
`;

const CREATE_ITEM = `# As ITU_EDITOR: ask a committee of UPU to do
# something. What one asks of the other side starts
# as REQUESTED; what one takes on oneself, as OPEN.
mutation CreateActionItem($input: ActionItemCreateInput!) {
  actionItemCreate(input: $input) {
    actionItem {
      id
      version
      code
      title
      status
      ownedBy
      requestedBy
    }
    userErrors { code field message }
  }
}
`;

const MOVE_ITEM = `# As UPU_EDITOR: accept what UPU was asked to do.
# The version is the one you read: if the item has
# changed since, you are told so (STALE).
mutation MoveActionItem($input: ActionItemMoveInput!) {
  actionItemMove(input: $input) {
    actionItem {
      id
      version
      code
      title
      status
      nextMoves { to permission note }
    }
    userErrors { code field message }
  }
}
`;

const SEND = `# As ITU_EDITOR: a liaison statement to a committee of
# UPU, which is asked to act and to reply by a day.
mutation SendLiaisonStatement($input: LiaisonStatementSendInput!) {
  liaisonStatementSend(input: $input) {
    liaisonStatement {
      code
      title
      from { code }
      addressees { committee { code } purpose replyBy overdue }
      awaitingReply
    }
    userErrors { code field message }
  }
}
`;

const EXAMINE = `# As ITU_EDITOR: ask both sides to examine a publication.
# Each then records a finding: examinationRecordFinding.
mutation RequestExamination($input: ExaminationRequestInput!) {
  examinationRequest(input: $input) {
    examination {
      id
      publication { title }
      requestedBy
      dueOn
      complete
    }
    userErrors { code field message }
  }
}
`;

const WEBHOOKS = `# As ITU_EDITOR: the webhooks of ITU, and what was
# delivered to them last.
query Webhooks {
  webhooks {
    id
    url
    enabled
    pingedAt
    pingStatus
    pingResponse
    deliveries(first: 5) {
      nodes { id attempts delivered status response nextAttemptAt }
    }
  }
}
`;

const CREATE_WEBHOOK = `# As ITU_EDITOR: have each change of a topic sent to an
# address of yours. The secret, which verifies
# signatures, is shown only in this response.
mutation CreateWebhook($input: WebhookCreateInput!) {
  webhookCreate(input: $input) {
    webhook { id url enabled }
    secret
    userErrors { code field message }
  }
}
`;

export async function examples(ask) {
  // Without the real data there are no such records: the ids stay empty.
  const ids = await ask({ query: IDS }).then(({ data }) => data ?? {}, () => ({}));
  const resolves = ids.provision?.provisions.find(({ section }) => section === 'RESOLVES');
  const active = ids.active?.nodes[0]?.id ?? '';
  const requested = ids.requested?.nodes[0];
  const itu = ids.itu?.id ?? '';
  const upu = ids.upu?.id ?? '';
  const text = ids.texts?.nodes.find(({ examinations }) => examinations.every(({ complete }) => complete))?.id ?? '';
  const year = new Date().getFullYear();

  return [
    tab(DASHBOARD),
    tab(COMMITTEE, { key: { organization: 'ITU-T', code: 'SG17' } }),
    tab(VIEWER),
    tab(OPEN_ITEMS, { first: 10, after: null, filter: { open: true } }),
    tab(REPORT, { from: `${year}-01-01`, to: `${year}-12-31` }),
    tab(HISTORY, { first: 20, after: null, filter: { subjectType: ['TOPIC', 'ACTION_ITEM'] } }),
    tab(PUBLICATIONS, { first: 10, filter: { text: 'address' } }),
    tab(SEARCH, { text: 'qualité service' }),
    tab(OVERLAPS, { first: 10 }),
    tab(LANGUAGES, { languages: ['FR', 'ES'] }),
    tab(EXAMINATIONS, { first: 10, filter: { awaiting: ['UPU'] } }),
    tab(EXCHANGE, { committee: itu, counterpart: upu }),
    tab(NODE, { id: active }),
    tab(WATCH, { filter: { subjectType: ['TOPIC'] } }),
    tab(PROPOSE, {
      input: {
        title: 'Trusted delivery of parcels',
        summary: 'How a recipient can be sure who is at the door.',
        leadCommitteeId: itu,
        provisionIds: resolves ? [resolves.id] : [],
      },
    }),
    tab(TAKE_POSITION, {
      input: { id: ids.waiting?.nodes[0]?.id ?? '', position: 'AGREED', leadCommitteeId: upu },
    }),
    tab(CREATE_ITEM, {
      input: {
        topicId: active,
        committeeId: upu,
        counterpartId: itu,
        title: 'Send the list of services in use',
        priority: 'NORMAL',
      },
    }),
    tab(MOVE_ITEM, { input: { id: requested?.id ?? '', version: requested?.version ?? 1, to: 'OPEN' } }),
    tab(SEND, {
      input: {
        title: 'On the addresses of parcels',
        fromIds: [itu],
        addressees: [{ committeeId: upu, purpose: 'ACTION', replyBy: `${year + 1}-06-30` }],
        body: 'Please tell us which addresses your systems can read.',
        topicIds: [active],
      },
    }),
    tab(EXAMINE, { input: { publicationId: text, reason: 'Does it affect the format of postal addresses?', dueOn: `${year + 1}-06-30` } }),
    tab(WEBHOOKS),
    tab(CREATE_WEBHOOK, { input: { url: 'https://hooks.example/liaison', filter: { subjectType: ['TOPIC'] } } }),
  ];
}

function tab(query, variables) {
  return { query, variables: variables && JSON.stringify(variables, null, 2) };
}
