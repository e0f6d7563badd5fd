"""Items of the open batch become tasks: in order, once, with nothing that tells their ranking."""

import json

from app.db.queries.batches import RankedItem
from app.db.session import transaction
from app.services.gold import set_gold
from app.services.job_results import Selection, TrainedFacts, publish_selection
from app.services.next_round import begin_next_round
from app.storage.artifacts import ArtifactStore
from models.seconds import PartSeconds
from tests.app.label_studio.conftest import MakeBridge
from tests.label_studio.bridge import Bridge
from tests.label_studio.fake import BOB, Fake
from tests.loop import claim_waiting, import_texts


class TestTasks:
    def test_the_batch_is_pushed_in_its_order(self, make_bridge: MakeBridge) -> None:
        bridge = make_bridge(initial_budget=6, total_budget=8)
        bridge.sync()
        assert bridge.shown() == [0, 1, 2, 3, 4, 5]
        assert bridge.sync().n_pushed == 0

    def test_a_task_holds_its_text_and_whose_item_it_is(self, bridge: Bridge, fake: Fake) -> None:
        bridge.sync()
        ((uid, item),) = bridge.ask(
            "SELECT p.uid, i.id FROM projects p JOIN items i ON i.project_id = p.id "
            "WHERE p.id = :project AND i.index = 0"
        )
        task = fake.tasks[bridge.task(0)]
        assert task["data"] == {"text": "text p-0", "svp_item": f"{uid.hex[:8]}:{item}"}
        assert task["meta"] == {}

    def test_what_others_hold_is_not_pushed(self, bridge: Bridge) -> None:
        bridge.run("INSERT INTO annotators (name) VALUES ('eve')")
        bridge.run(
            "UPDATE batch_item_slots SET leased_by = (SELECT id FROM annotators WHERE name='eve'),"
            " leased_until = now() + interval '1 h' WHERE batch_item_id = "
            "(SELECT min(id) FROM batch_items)"
        )
        bridge.sync()
        assert bridge.shown() == [1]

    def test_a_hundred_and_more_come_in_several_requests_in_order(
        self, make_bridge: MakeBridge, fake: Fake
    ) -> None:
        bridge = make_bridge(n_items=260, initial_budget=250, total_budget=250, reserve=0)
        assert bridge.sync().n_pushed == 250
        assert bridge.shown() == list(range(250))
        assert bridge.sync().n_pushed == 0
        imports = [r for r in fake.requests if r[1].endswith("/import")]
        assert [len(body) for _, _, body in imports] == [100, 100, 50]

    def test_a_task_that_fits_the_round_no_more_is_deleted_and_reserve_goes_on(
        self, make_bridge: MakeBridge, fake: Fake
    ) -> None:
        bridge = make_bridge(initial_budget=4, total_budget=10, reserve=0)
        bridge.sync()
        fake.annotate(bridge.task(0), "a")
        fake.annotate(bridge.task(1), "b")
        bridge.sync()
        with transaction(bridge.factory) as session:
            begin_next_round(session, bridge.project, bridge.settings)
        bridge.sync()
        assert bridge.shown() == [0, 1]
        assert bridge.held() == {}

    def test_kept_tasks_stay_as_reserve(self, make_bridge: MakeBridge, fake: Fake) -> None:
        bridge = make_bridge(connected=False, initial_budget=4, total_budget=10, reserve=0)
        bridge.connect(round_end="keep")
        bridge.sync()
        fake.annotate(bridge.task(0), "a")
        fake.annotate(bridge.task(1), "b")
        bridge.sync()
        with transaction(bridge.factory) as session:
            begin_next_round(session, bridge.project, bridge.settings)
        bridge.sync()
        assert bridge.shown() == [0, 1, 2, 3]
        fake.annotate(bridge.task(2), "a")
        bridge.sync()
        assert bridge.labels()[2] == {"ada": "a"}

    def test_an_answer_given_just_before_its_task_would_go_is_kept(
        self, make_bridge: MakeBridge, fake: Fake
    ) -> None:
        bridge = make_bridge(initial_budget=4, total_budget=10, reserve=0)
        bridge.sync()
        fake.annotate(bridge.task(0), "a")
        fake.annotate(bridge.task(1), "b")
        bridge.sync()
        with transaction(bridge.factory) as session:
            begin_next_round(session, bridge.project, bridge.settings)
        late = bridge.task(2)

        def annotate_late(_method: str, path: str) -> None:
            """Annotate between the first look at what changed and the deletions."""
            ids = [b for m, p, b in fake.requests if p == "/api/tasks/"]
            if path == "/api/dm/actions/" or len(ids) < 2 or fake.annotations_of(late):
                return
            fake.annotate(late, "b")

        fake.requests.clear()
        fake.on_request = annotate_late
        bridge.sync()
        assert bridge.labels()[2] == {"ada": "b"}
        assert bridge.shown() == [0, 1, 2]


class TestRanking:
    def test_suggestions_come_with_their_model_version_and_no_score(
        self, bridge: Bridge, fake: Fake
    ) -> None:
        publish_ranked(bridge)
        bridge.sync()
        task = fake.tasks[bridge.task(2)]
        assert task["predictions"] == [
            {"model_version": "round-1", "result": fake.result(bridge.task(2), "a")}
        ]
        assert fake.projects[1]["model_version"] == "round-1"
        sent = json.dumps([body for _, path, body in fake.requests if "import" in path])
        assert "score" not in sent
        assert "rank" not in sent
        assert "confidence" not in sent

    def test_where_a_control_arm_is_drawn_nothing_tells_it_apart(
        self, make_bridge: MakeBridge, fake: Fake
    ) -> None:
        bridge = make_bridge(
            n_items=40,
            round_budget=20,
            total_budget=40,
            selection={"control_fraction": 0.2},
        )
        publish_ranked(bridge, n_items=40, control=(5, 9))
        bridge.sync()
        assert not any(task["predictions"] for task in fake.tasks.values())
        shown = bridge.shown()[2:]
        assert sorted(shown) == list(range(2, 22))
        assert shown != sorted(shown)

    def test_gold_is_mixed_in_and_looks_like_the_rest(
        self, make_bridge: MakeBridge, fake: Fake
    ) -> None:
        bridge = make_bridge(
            connected=False,
            initial_budget=20,
            n_items=40,
            total_budget=30,
            annotation={"gold_fraction": 0.4},
        )
        with_gold(bridge, 20)
        bridge.connect()
        bridge.sync()
        gold = [index for index in bridge.shown() if index >= 40]
        assert 2 <= len(gold) <= 16
        assert bridge.shown()[-len(gold) :] != gold
        assert {tuple(task["data"]) for task in fake.tasks.values()} == {("text", "svp_item")}
        assert not any(task["predictions"] for task in fake.tasks.values())
        task = bridge.task(gold[0])
        annotation = fake.annotate(task, "b")
        fake.annotate(task, "a", BOB)
        bridge.sync()
        answers = "SELECT class_index FROM gold_answers WHERE class_index IS NOT NULL ORDER BY 1"
        assert bridge.ask(answers) == [(0,), (1,)]
        assert bridge.labels() == {}
        fake.delete(annotation)
        bridge.sync()
        assert bridge.ask(answers) == [(0,)]

    def test_gold_that_nobody_answered_goes_with_the_round(
        self, make_bridge: MakeBridge, fake: Fake
    ) -> None:
        bridge = make_bridge(connected=False, annotation={"gold_fraction": 0.5})
        with_gold(bridge, 8)
        bridge.connect()
        while not [i for i in bridge.shown() if i >= 10]:
            bridge.sync()
            bridge.run("UPDATE projects SET seed = seed + 1 WHERE id = :project")
            if [i for i in bridge.shown() if i >= 10]:
                break
            bridge.run("DELETE FROM label_studio_tasks")
            bridge.run("UPDATE batch_item_slots SET leased_by = NULL, leased_until = NULL")
            fake.tasks.clear()
        fake.annotate(bridge.task(0), "a")
        fake.annotate(bridge.task(1), "b")
        bridge.sync()
        assert sorted(bridge.shown()) == [0, 1]


def publish_ranked(bridge: Bridge, *, n_items: int = 10, control: tuple[int, ...] = ()) -> None:
    """Complete round 0 in Label Studio and publish round 1 as a model ranks it, by index."""
    bridge.sync()
    for index, name in ((0, "a"), (1, "b")):
        bridge.fake.annotate(bridge.task(index), name)
    bridge.sync()
    claimed = claim_waiting(bridge.factory, bridge.settings, bridge.project)
    assert claimed is not None
    weights = ArtifactStore(bridge.settings.artifact_store_url).put(b"weights")
    trained = TrainedFacts("fasttext", {}, "0", weights, 2, {}, PartSeconds(), {})
    ranked = [
        RankedItem(i, -float(i), i % 2, 0.6, is_control=i in control) for i in range(2, n_items)
    ]
    with transaction(bridge.factory) as session:
        selection = Selection(ranked, 2, PartSeconds(), "0", trained)
        publish_selection(session, claimed, selection, bridge.settings)


def with_gold(bridge: Bridge, n: int) -> None:
    """Import labeled items and make them gold."""
    names = [f"gold-{i}" for i in range(n)]
    with transaction(bridge.factory) as session:
        import_texts(session, bridge.settings, bridge.project, names, class_name="a")
        set_gold(session, bridge.project, dict.fromkeys(names))
