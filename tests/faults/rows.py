"""Every fault that the project promises to survive, with its tests, and the page that lists them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A fault or input, what must hold under it, and its tests: names of tests by file."""

    what: str
    means: str
    tests: dict[str, tuple[str, ...]]


_HEALING: Final = "faults/test_healing.py"
_LADDER: Final = "ladder/test_ladder.py"
ROWS: Final = (
    Row(
        what="kill -9 of workers, engine, command, Redis, or all of them, at random points",
        means="the run finishes by itself; at most the requests in flight are paid twice",
        tests={
            "faults/test_kills.py": ("test_a_run_survives_five_kills",),
            "fleet/test_fleet_kills.py": ("test_a_run_survives_kills_of_its_workers",),
            "fleet/test_fleet.py": ("test_without_any_beat_a_run_goes_on_and_ends",),
        },
    ),
    Row(
        what="kill -9 of everything, or a reboot, and no command afterwards",
        means="`status`, `list`, `watch`, JSON say so; none does while a worker is on its way",
        tests={
            "cli/test_no_worker.py": ("test_after_kill_9_of_everything_each_view_says_so",),
            "rules/test_worker_presence.py": (
                "test_a_worker_is_missing_only_where_none_is_there_or_on_its_way",
            ),
            "cli/test_lost_database.py": ("test_nobody_works_on_the_run_of_a_killed_command",),
            "fleet/test_fleet.py": ("test_nobody_at_work_is_told",),
        },
    ),
    Row(
        what="a process that ends, or an error, at any call to the outside: POST, fetch, load, write",
        means="one extra with its reason, or none; files are old or new, never mixed; nothing waits forever",
        tests={
            _LADDER: ("test_some_rungs", "test_every_rung"),
            "engine/test_recovery.py": ("test_a_post_without_reply_is_in_doubt_and_counted",),
            "intake/test_load.py": ("test_a_loader_that_is_killed_leaves_nothing_after_the_next_load",),
        },
    ),
    Row(
        what="a worker is told to drain, while requests are in flight; it is killed meanwhile",
        means="it ends when these have ended, and is not started again; a kill costs what a kill costs",
        tests={
            "fleet/test_drain.py": (
                "test_a_drained_worker_ends_and_others_collect_its_answers",
                "test_a_worker_that_is_killed_while_it_drains_costs_no_more_than_a_kill",
            ),
        },
    ),
    Row(
        what="kill -9 of `set --team`, or of a worker that starts with other settings, at any point; Redis"
        " loses its data; two hosts with other settings",
        means="limits and event are there, or neither; Redis has those of the database before the next slot",
        tests={
            "faults/test_team_limit_kills.py": (
                "test_after_a_kill_redis_has_what_the_database_has",
                "test_a_worker_that_starts_is_killed_with_its_change_and_its_event_or_with_neither",
            ),
            "engine/test_follow_team_limits.py": (
                "test_an_emptied_redis_has_what_a_person_set_from_the_first_slot_on",
                "test_a_late_worker_does_not_bring_back_what_was_before",
                "test_the_newest_word_holds",
            ),
            "limiter/test_live_limits.py": ("test_redis_emptied_again_and_again_forgets_no_tokens",),
        },
    ),
    Row(
        what="SIGTERM once or five times, Ctrl-C twice, SIGHUP, requests in flight that take too long",
        means="the process ends within its time limit; no finished work is repeated",
        tests={
            "faults/test_stopping.py": (
                "test_a_signal_stops_in_good_order_and_nothing_is_paid_twice",
                "test_a_second_signal_stops_at_once",
            ),
            "fleet/test_fleet.py": (
                "test_a_worker_ends_in_order_although_nothing_answers",
                "test_a_worker_process_ends_in_order_by_any_signal",
            ),
        },
    ),
    Row(
        what="a worker frozen, or cut off from the servers, for longer than its lease",
        means="other workers take over; the late worker moves no job, and its paid answers are kept",
        tests={
            "faults/test_frozen.py": (
                "test_a_frozen_worker_of_a_state_folder",
                "test_a_frozen_worker_of_a_fleet",
            ),
            "fleet/test_cut_off.py": ("test_the_others_take_over_and_the_late_one_disturbs_nothing",),
        },
    ),
    Row(
        what="a late outcome: of an older attempt, of a cancelled job, of a run that is over or removed",
        means="the newer attempt goes on; nothing is sent again; each answer is priced once",
        tests={
            "db/test_late_outcomes.py": (
                "test_a_failed_generation_of_an_older_attempt_moves_nothing",
                "test_a_cancelled_job_is_never_sent_again",
                "test_a_run_that_is_over_sends_nothing_again",
                "test_the_last_of_three_answers_takes_the_place_of_its_possible_cost",
                "test_an_answer_of_a_removed_run_is_not_kept",
            ),
            "db/test_given_up.py": ("test_nothing_was_paid_twice",),
        },
    ),
    Row(
        what="the same notification fifty times, or no notification at all",
        means="one claim succeeds; the others do nothing",
        tests={
            "faults/test_notify.py": ("test_the_same_message_fifty_times_and_messages_of_older_versions",)
        },
    ),
    Row(
        what="Redis killed, restarted empty, emptied, out of memory, read-only, with broken connections",
        means="nothing is sent without the limiter; work continues within a minute after Redis is back",
        tests={
            _HEALING: (
                "test_shared_servers_come_back_and_work_goes_on",
                "test_embedded_servers_come_back_and_work_goes_on",
            ),
            "limiter/test_live_limits.py": (
                "test_an_emptied_redis_loses_no_job",
                "test_while_redis_does_not_answer_nothing_is_sent",
            ),
        },
    ),
    Row(
        what="PostgreSQL restarted, backends killed, connections exhausted, a table or file locked for 30 s",
        means="nothing is fetched that cannot be kept; commits are repeated, moves are not",
        tests={
            _HEALING: (
                "test_shared_servers_come_back_and_work_goes_on",
                "test_embedded_servers_come_back_and_work_goes_on",
            ),
            "db/test_statement_timeout.py": ("test_a_way_that_swallows_everything_is_given_up",),
        },
    ),
    Row(
        what="PostgreSQL read-only or full, or without a right, a table, its revision, UTF8",
        means="a sentence with its cure from every command; work continues by itself when it is mended",
        tests={
            _HEALING: ("test_shared_servers_come_back_and_work_goes_on",),
            "cli/test_unfit_databases.py": (
                "test_a_user_without_a_right",
                "test_a_read_only_database",
                "test_a_database_restored_without_its_revision",
                "test_a_database_that_lacks_a_table",
                "test_a_database_of_another_encoding",
            ),
            "engine/test_commit_reports.py": ("test_the_group_commit_knows_why_it_waits",),
        },
    ),
    Row(
        what="PgBouncer before PostgreSQL; a Redis cluster or replica, a Redis user without rights",
        means="session mode works; anything else is refused by name before work begins",
        tests={
            "faults/test_poolers.py": (
                "test_a_whole_run_through_session_mode",
                "test_a_mode_without_sessions_is_refused",
            ),
            "limiter/test_server_check.py": (
                "test_missing_rights_are_named",
                "test_a_replica_takes_no_writes",
                "test_a_cluster_is_refused",
            ),
        },
    ),
    Row(
        what="`runner.db` or the state folder removed or replaced during a run",
        means="engine and commands end and say so; no empty file takes the place",
        tests={
            "cli/test_lost_database.py": ("test_a_database_that_is_removed_during_a_run",),
            "embedded/test_engine.py": ("test_an_engine_ends_when_its_database_is_gone",),
            "db/test_same_file.py": ("test_a_removed_file_is_not_made_again",),
        },
    ),
    Row(
        what="deadlock, statement timeout",
        means="the transaction is repeated; no move is written in part",
        tests={
            "engine/test_group_commit.py": (
                "test_a_statement_that_is_cancelled_is_repeated",
                "test_an_answer_and_its_state_are_written_together_or_not_at_all",
            ),
            "db/test_late_outcomes.py": (
                "test_a_cancel_and_the_answers_of_a_worker_wait_for_each_other_and_go_on",
            ),
            "db/test_user_moves.py": ("test_a_retry_with_another_model_that_crosses_a_worker_is_done_again",),
        },
    ),
    Row(
        what="disk full: state folder, spool, output",
        means="old files stay intact; nothing is fetched; work continues when there is space",
        tests={
            "faults/test_full_disk.py": ("test_nothing_is_fetched_that_could_not_be_kept",),
            "tables/test_draft_file.py": ("test_a_full_disk_is_told_in_a_sentence_and_the_old_file_stays",),
            "engine/test_spool.py": ("test_without_room_a_record_is_refused_whole",),
        },
    ),
    Row(
        what="the wall clock set forward or back",
        means="no live worker loses a lease; no job waits forever",
        tests={
            "faults/test_clocks.py": ("test_of_a_state_folder", "test_of_a_worker_whose_clock_is_off"),
            "engine/test_shared_clock.py": ("test_a_jump_is_told_once_and_followed",),
            "engine/test_reaper.py": (
                "test_a_worker_that_lives_keeps_its_leases",
                "test_a_clock_set_back_makes_nobody_wait",
            ),
            "limiter/test_clock_set_back.py": (
                "test_requests_go_on",
                "test_the_used_part_of_the_limit_and_the_count_of_polls_stay",
            ),
            "limiter/test_reaper_turn.py": ("test_a_clock_that_is_set_back_stops_no_reaper",),
        },
    ),
    Row(
        what="a nightly line killed five times, started twice at once, or started again after midnight",
        means="one run a night; only requests in flight at a kill are paid twice, and are counted",
        tests={
            "faults/test_nights.py": (
                "test_a_night_that_is_killed_five_times_is_paid_once",
                "test_a_night_that_is_killed_before_midnight_goes_on_after_it",
                "test_a_line_that_is_started_twice_at_once_is_one_run",
            ),
            "cli/test_run_choice.py": ("test_an_unfinished_night_is_carried_on_over_midnight",),
        },
    ),
    Row(
        what="network: refused, reset before, during and after, no reply, single bytes, no DNS name, TLS",
        means="each phase has its own outcome; the total time limit holds",
        tests={
            "api/test_client.py": (
                "test_refused_and_unresolved_hosts_were_not_sent_to",
                "test_a_reset_before_anything_was_read_is_unknown",
                "test_a_body_that_ends_early_is_cut",
                "test_a_slow_drip_ends_with_the_total_time",
                "test_a_failed_tls_handshake_sent_nothing",
            ),
            "faults/test_switches.py": ("test_an_api_that_is_down_is_waited_for",),
        },
    ),
    Row(
        what="many replies of 429; Retry-After in any form",
        means="no attempt is spent; the rate falls; workers do not all return at the same moment",
        tests={
            "faults/test_storms.py": ("test_a_storm_of_429_costs_no_attempts",),
            "rules/test_reply.py": ("test_retry_after_is_read_as_seconds_or_a_date",),
        },
    ),
    Row(
        what="any status and any body: errors, HTML, redirects, cut off, garbage, huge, NUL, no usage",
        means="a documented classification; the bytes are kept as received",
        tests={
            "rules/test_reply.py": ("test_any_reply_has_a_whole_verdict",),
            "engine/test_settle.py": ("test_no_bytes_make_it_raise",),
            "api/test_client.py": (
                "test_no_redirect_is_followed",
                "test_a_body_above_the_limit_is_not_taken",
            ),
            "faults/test_every_fault.py": ("test_every_fault_at_two_percent_loses_nothing",),
        },
    ),
    Row(
        what="a 200 to a fetch that is no answer: empty, a web page, cut JSON, an error of a proxy, `null`",
        means="asked for again at growing spaces, not bought again; its bytes take no answer's place",
        tests={
            "faults/test_garbled_fetches.py": (
                "test_what_is_no_answer_is_asked_for_again",
                "test_an_answer_that_a_garbled_reply_took_along_is_lost_and_bought_once",
                "test_at_the_end_of_its_24_hours_a_job_is_held_and_offered",
            ),
            _LADDER: ("test_a_process_that_ends_at_an_unreadable_reply_costs_nothing",),
            "engine/test_handling_unreadable.py": ("test_the_same_bytes_for_too_long_are_the_answer",),
        },
    ),
    Row(
        what="a network's login page instead of everything, for a time",
        means="the run waits, says what came, asks for one answer at a time, goes on; nothing is paid twice",
        tests={
            "faults/test_garbled_fetches.py": (
                "test_a_page_instead_of_everything_is_waited_for",
                "test_ten_minutes_of_a_page_instead_of_everything_cost_nothing",
            ),
            "engine/test_fetch_outage.py": ("test_probes_become_rare_and_stragglers_do_not_count",),
        },
    ),
    Row(
        what="answers with half an emoji, a byte order mark, NaN",
        means="an answer; the output is strict JSON in UTF-8, `show --raw` has what came",
        tests={
            "faults/test_garbled_fetches.py": ("test_half_an_emoji_and_a_byte_order_mark_are_answers",),
            "rules/test_answer_json.py": ("test_whatever_python_writes_is_read_and_is_a_strict_line",),
        },
    ),
    Row(
        what="kill -9 of everything four times at full speed",
        means="the same command ends with 0; what the kills left is counted and pauses no run",
        tests={
            "faults/test_kills_at_full_speed.py": ("test_a_run_killed_four_times_ends_by_itself",),
            "engine/test_fetch_failures.py": ("test_a_lost_answer_counts_unless_a_crash_took_it",),
        },
    ),
    Row(
        what="the same request_id twice, an answer twice, 202 forever, 404 at once",
        means="an answer is kept once; 202 and 404 have an explanation",
        tests={
            "db/test_job_moves.py": (
                "test_an_answer_is_kept_once_a_request_id",
                "test_an_answer_judged_before_does_not_come_back",
            ),
            "faults/test_pauses.py": ("test_answers_that_expired_are_offered_and_not_bought_again",),
        },
    ),
    Row(
        what="a firewall, a login page, a wrong base URL, an origin that is down, in front of the API",
        means="no job fails, nothing is spent; the run waits, or pauses and names the setting",
        tests={
            "faults/test_gateways.py": (
                "test_what_did_not_reach_the_api_spends_nothing_and_leaves_no_doubt",
                "test_a_firewall_before_the_fetch_keeps_paid_answers_waiting",
                "test_a_wrong_base_url_pauses_and_fails_no_job",
                "test_a_path_that_goes_wrong_in_the_middle_costs_no_answer",
                "test_a_filter_that_refuses_a_prompt_holds_that_job",
            ),
            "limiter/test_team.py": ("test_a_wrong_address_has_no_name",),
        },
    ),
    Row(
        what="a gateway that answers at once although a deferred answer is asked for",
        means="its answers are kept and priced; the run pauses after the third",
        tests={
            "faults/test_gateways.py": ("test_a_gateway_that_drops_deferred_is_paid_kept_and_told",),
            _LADDER: ("test_some_rungs_with_answers_in_reply_to_submits",),
        },
    ),
    Row(
        what="one line whose model is refused; sentences of the API that quote a line's content",
        means="that job is held or fails; the others go on; no account is blamed",
        tests={
            "faults/test_gateways.py": (
                "test_one_line_with_a_refused_model_does_not_stop_the_others",
                "test_a_refused_model_is_not_sent_for_ever",
            ),
            "rules/test_reply.py": ("test_a_line_cannot_make_its_words_the_accounts",),
        },
    ),
    Row(
        what="409, 425, 499: once, or for ever",
        means="each spends an attempt; the job fails when its attempts are spent",
        tests={
            "faults/test_gateways.py": (
                "test_a_refusal_of_a_moment_is_sent_again",
                "test_a_refusal_of_a_moment_that_never_ends_fails_the_job",
            )
        },
    ),
    Row(
        what="key revoked, credits used up, model removed during the run",
        means="the run pauses; no job fails because of it; `runner resume` continues",
        tests={"faults/test_switches.py": ("test_the_accounts_trouble_pauses_the_run_and_fails_no_job",)},
    ),
    Row(
        what="job files and lines that are broken in any way",
        means="exact lines and columns; all lines are loaded or none; bounded memory",
        tests={
            "faults/test_bad_files.py": ("test_a_bad_file_is_refused_with_line_column_code_and_cure",),
            "intake/test_fuzz.py": ("test_no_bytes_break_the_line_reader",),
        },
    ),
    Row(
        what="paths that are no files, files that change while they are read, two loads at once",
        means="the command never hangs; the loads make one run",
        tests={
            "faults/test_bad_files.py": (
                "test_what_is_no_file_is_refused_at_once",
                "test_a_file_replaced_or_grown_while_it_is_read_is_not_loaded",
            ),
            "intake/test_load.py": ("test_loads_at_the_same_time_make_one_run",),
        },
    ),
    Row(
        what="a host in a job line, another base URL, proxies",
        means="the key is sent to no other address",
        tests={"api/test_client.py": ("test_the_key_goes_to_no_doubtful_address",)},
    ),
    Row(
        what="secrets in messages, logs, files, arguments, URLs",
        means="no secret is found in any of them",
        tests={
            "test_canary.py": ("test_it_is_found_in_every_form",),
            "fleet/test_fleet.py": ("test_hosts_know_each_other_by_two_urls_and_show_no_password",),
        },
    ),
    Row(
        what="hostile text in prompts, answers, names, errors",
        means="shown as plain text everywhere, kept as received",
        tests={"cli/test_hostile_text.py": ("test_no_screen_lets_it_through",)},
    ),
    Row(
        what="the limiter: many processes, bursts, wrong estimates, crashes with granted slots",
        means="no window exceeds its limit; no slot is lost",
        tests={
            "limiter/test_limiter_processes.py": (
                "test_any_number_of_processes_use_the_limits_and_overrun_none",
            )
        },
    ),
    Row(
        what="money: no usage, no price, requests in flight that exceed the budget",
        means="exact sums; unknown is not 0; the bill is at most the budget plus what exceeds a reservation",
        tests={
            "test_books.py": ("test_what_was_collected_costs_what_was_billed",),
            "faults/test_budget_runs.py": ("test_four_workers_keep_to_one_budget_and_go_on_with_another",),
        },
    ),
    Row(
        what="an old database with unfinished runs; a migration that was killed; a newer database",
        means="today's code finishes runs and migration; a newer database is refused with a clear sentence",
        tests={
            "age/test_age.py": ("test_of_a_state_folder", "test_of_shared_servers"),
            "db/test_migrate.py": (
                "test_many_processes_may_upgrade_at_once",
                "test_a_newer_database_is_refused",
            ),
        },
    ),
    Row(
        what="a job that crashes every process that sends or classifies it",
        means="it is held or fails after its attempts; the other jobs are done",
        tests={
            _LADDER: ("test_a_job_that_ends_every_process_that_sends_it_is_held",),
            "engine/test_reaper.py": ("test_an_answer_that_ends_its_judge_is_tried_three_times",),
        },
    ),
    Row(
        what="64 open files, 256 MB",
        means="slower, but it always finishes",
        tests={"faults/test_small_machine.py": ("test_a_run_in_narrow_bounds",)},
    ),
    Row(
        what="a database that refuses some writes, for a reason that does not go away by itself",
        means="what failed is logged and tried again: heartbeats, limits, `--max-failures`, run ends",
        tests={
            "engine/test_supervised_tasks.py": ("test_completion", "test_heartbeats", "test_max_failures"),
            "faults/test_supervision.py": (
                "test_a_run_that_meets_each_error_goes_on",
                "test_a_post_and_a_fetch_that_end_with_an_error",
            ),
        },
    ),
    Row(
        what="a worker without progress: blocked event loop, no notifications, only failing time slices",
        means="the worker ends, and another one is started",
        tests={
            "engine/test_watchdog.py": ("test_pings_that_never_come_back_end_the_process",),
            "embedded/test_stall_detection.py": ("test_only_who_gives_no_new_sign_for_long_is_silent",),
        },
    ),
    Row(
        what="tables of any content and format, answers that do not fit, failed requests, and kill -9",
        means="each row comes out once, in place, unchanged, with its own label or a reason; money adds up",
        tests={
            "labeling/test_random_tables.py": ("test_each_row_has_its_own_label_or_a_reason",),
            "labeling/test_tables_under_way.py": (
                "test_rows_of_any_content_come_out_as_they_went_in",
                "test_bad_rows_are_refused_or_skipped",
            ),
        },
    ),
    Row(
        what="two `label` commands at once, `write` under way, Ctrl-C, a table or a template that changes",
        means="one run and one payment; a changed table is refused at the end, and its labels are kept",
        tests={
            "labeling/test_tables_under_way.py": (
                "test_two_terminals_label_once_while_another_writes",
                "test_ctrl_c_keeps_what_is_done_and_the_same_command_ends_it",
                "test_a_table_that_changes_under_way_is_refused_at_the_end",
                "test_another_prompt_is_another_run_and_said_so",
            ),
        },
    ),
    Row(
        what="recipes, templates and schemas of others: private files, no bounds, what the API refuses",
        means="refused before anything is loaded or sent, with the place and the fix",
        tests={
            "labeling/test_refused_labeling.py": (
                "test_a_recipe_that_reaches_too_far_is_refused",
                "test_a_template_without_bounds_is_a_fault_of_its_rows",
                "test_a_schema_that_the_api_refuses_is_refused_here",
                "test_an_output_that_cannot_be_written_is_refused_before_loading",
            ),
        },
    ),
)
