"""Which test holds which of the known traps of published extraction code, by the numbers under which they are known.

The ten facts are those that change published numbers most; the traps are weaknesses of the code that published
embeddings were made with. Every one names the tests that hold it, and those tests exist.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
HERE = "feature_extractors"

FACTS = {
    1: f"{HERE}/audio/test_speech_encoder.py::fact_1_the_edition_of_2023_is_the_last_layer_of_the_whole_clip",
    2: f"{HERE}/audio/test_speech_encoder.py::short_clip_is_the_sum_of_the_last_four_layers",
    3: f"{HERE}/audio/test_speech_encoder.py::last_layer_is_after_the_final_norm",
    4: f"{HERE}/face/test_clip.py::equals_the_projected_image_embedding_frame_by_frame",
    5: f"{HERE}/audio/test_speech_encoder.py::fact_5_reference_tail_computes_half_of_a_clip_of_10_1_s_on_silence",
    6: f"{HERE}/audio/test_whisper.py::fact_6_published_rows_are_two_decoder_states_whatever_the_length",
    7: f"{HERE}/face/test_dinov2.py::64_uniform_frames_and_the_sum_over_tokens_before_the_final_norm",
    8: f"{HERE}/face/test_videomae_windows.py::pixels_are_rgb_and_the_published_exchange_is_an_option",
    9: f"{HERE}/text/test_causal.py::matrices_are_sixteen_bit_and_norms_keep_what_the_file_says",
    10: f"{HERE}/face/test_image_cnns.py::clip_without_a_face_is_a_status_and_the_next_clip_goes_on",
}

TRAPS = {
    1: f"{HERE}/test_contract.py::batch_equals_single",
    2: f"{HERE}/engine/test_run.py::one_session_per_clip_feeds_all_extractors",
    3: "mertools/media/test_pool.py::one_worker_serves_many_clips_until_it_is_worn",
    4: f"{HERE}/engine/test_run.py::every_clip_gets_a_row_and_a_second_run_reads_nothing",
    5: "mertools/store/test_crashes.py::a_process_that_dies_at_any_system_call_leaves_the_store_before_or_after",
    6: f"{HERE}/facetrack/test_shipped.py::a_folder_left_empty_by_an_aborted_run_is_missing_not_faceless",
    7: f"{HERE}/audio/test_denoise.py::a_program_that_fails_costs_one_clip",
    8: f"{HERE}/engine/test_run.py::silent_and_empty_sounds_and_broken_files_have_their_status",
    9: f"{HERE}/engine/test_faces.py::clips_that_lack_something_say_what",
    10: f"{HERE}/test_contract.py::dimension_is_known_before_loading",
    11: f"{HERE}/text/test_encoder.py::missing_transcripts_are_a_status_and_words_that_look_so_are_not",
    12: f"{HERE}/audio/test_speech_encoder.py::masked_tail_has_rows_of_sound_only",
    13: f"{HERE}/audio/test_whisper.py::trap_13_longer_clips_are_embedded_in_windows_of_30_s",
    14: f"{HERE}/audio/test_whisper.py::trap_14_encoder_rows_are_kept_for_the_real_length",
    15: f"{HERE}/engine/test_published_models.py::trap_15_sound_of_any_rate_and_channels_is_resampled_and_mixed",
    16: f"{HERE}/text/test_encoder.py::long_text_has_one_row_per_token",
    17: f"{HERE}/text/test_encoder.py::xlnet_has_its_special_tokens_behind_the_text_and_no_limit_of_positions",
    18: f"{HERE}/engine/test_batching.py::halving_when_memory_runs_out_changes_no_row",
    19: f"{HERE}/face/test_videomae_windows.py::pixels_are_rgb_and_the_published_exchange_is_an_option",
    20: f"{HERE}/face/test_videomae_windows.py::each_distinct_window_is_computed_once",
    21: f"{HERE}/engine/test_plan.py::shards_are_whole_groups_and_together_all",
    22: f"{HERE}/engine/test_progress.py::the_line_is_about_media_and_does_not_call_kept_what_is_only_read",
    23: "mertools/store/test_store_verb.py::show_says_duration_and_coverage",
    24: "mertools/store/test_store.py::a_fingerprint_holds_what_changes_numbers_and_nothing_else",
    25: "mertools/store/test_npy.py::every_name_of_a_folder_is_understood_and_made_again",
    26: f"{HERE}/test_contract.py::rows_are_as_declared",
    27: f"{HERE}/test_checkpoint_files.py::nothing_named_says_what_to_fetch_and_from_where",
    28: f"{HERE}/test_contract.py::facts_are_complete",
    29: "mertools/store/test_store.py::several_processes_may_create_declare_and_write_at_once",
    30: f"{HERE}/audio/test_denoise.py::a_program_is_run_without_a_shell",
    31: "mertools/corruption/test_corrupt.py::workers_order_and_selection_change_no_byte_of_sound",
    32: f"{HERE}/transcription/test_whisper.py::a_batch_says_what_each_clip_says_alone_and_what_transformers_says",
    33: f"{HERE}/text/test_encoder.py::words_that_look_like_missing_values_are_words",
    34: "mertools/corpora/test_prepare.py::files_of_one_stem_are_one_clip",
    35: "house/test_packaging.py::no_unsafe_loading_anywhere",
    36: f"{HERE}/face/test_image_cnns.py::nothing_deprecated_is_called",
    37: f"{HERE}/face/test_image_cnns.py::making_every_network_leaves_pytorch_as_it_was",
    38: f"{HERE}/audio/test_speech_encoder.py::one_layer_or_the_last_can_be_asked_for",
    39: f"{HERE}/facetrack/test_shipped.py::jpgs_with_bare_numbers_are_read_in_order_of_number",
    40: f"{HERE}/face/test_openface.py::badly_tracked_frames_are_left_out_unless_asked_for",
    41: "mertools/cli/test_doctor.py::extras_and_trio_agree_with_the_package_metadata",
    42: "baselines/test_training.py::an_absent_space_lists_what_is_there_and_the_command",
}

ACCEPTANCE = {
    "a batch of any size": f"{HERE}/engine/test_published_models.py::a_batch_of_clips_equals_one_at_a_time",
    "kill and resume": f"{HERE}/engine/test_interruption.py::"
    "after_kill_9_at_any_moment_a_second_run_completes_bit_for_bit",
    "strange media": "mertools/media/test_bad_media.py::every_strange_file_ends_with_the_same_status_in_a_worker",
    "very short": f"{HERE}/test_contract.py::too_short_input_says_so",
    "very long": f"{HERE}/test_contract.py::long_input",
    "ratio of noise": "mertools/corruption/test_mixing.py::ratio_found_in_the_mixture_is_the_chosen_one",
}


@cache
def names_in(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_no_number_is_left_out():
    assert list(FACTS) == list(range(1, 11))
    assert list(TRAPS) == list(range(1, 43))


@pytest.mark.parametrize("place", [*FACTS.values(), *TRAPS.values(), *ACCEPTANCE.values()])
def test_the_test_of_a_trap_exists(place):
    file, _, name = place.partition("::")
    assert f"test_{name}" in names_in(file)
