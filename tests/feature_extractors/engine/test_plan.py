import random

from hypothesis import given
from hypothesis import strategies as st

from feature_extractors.engine.plan import Measured, make_groups, take_shard

corpora = st.lists(st.tuples(st.sampled_from(["train", "test"]), st.integers(0, 40)), min_size=1, max_size=60).map(
    lambda rows: [Measured(f"c{i}", split, float(length)) for i, (split, length) in enumerate(rows)]
)


@given(corpora, st.integers(1, 7), st.integers(0, 60))
def test_groups_hold_every_clip_once_within_bounds_and_splits(clips, max_clips, max_length):
    by_name = {clip.name: clip for clip in clips}
    groups = make_groups(clips, max_clips, max_length)
    assert sorted(name for group in groups for name in group.clips) == sorted(by_name)
    assert [group.index for group in groups] == list(range(len(groups)))
    for group in groups:
        members = [by_name[name] for name in group.clips]
        assert len({clip.split for clip in members}) == 1
        assert [clip.length for clip in members] == sorted(clip.length for clip in members)
        assert len(members) <= max_clips
        assert len(members) == 1 or sum(clip.length for clip in members) <= max_length


@given(corpora, st.integers(0, 2**32))
def test_the_plan_does_not_depend_on_the_order_of_the_manifest(clips, seed):
    shuffled = random.Random(seed).sample(clips, len(clips))
    assert make_groups(shuffled, 4, 50) == make_groups(clips, 4, 50)


@given(corpora, st.integers(1, 5))
def test_shards_are_whole_groups_and_together_all(clips, count):
    groups = make_groups(clips, 3, 50)
    shards = [take_shard(groups, index, count) for index in range(count)]
    assert sorted((g for shard in shards for g in shard), key=lambda g: g.index) == groups
