// SPDX-License-Identifier: Apache-2.0
#include "ctl/commands/run_commands.h"

#include <unistd.h>

#include <boost/json/serialize.hpp>
#include <iostream>
#include <variant>

#include "common/base/ids.h"
#include "common/base/names.h"
#include "common/base/secret_spec.h"
#include "common/base/text_encoding.h"
#include "ctl/client/answer.h"
#include "ctl/client/run_list.h"
#include "ctl/commands/store_file.h"
#include "ctl/io/table.h"
#include "ctl/io/value_notes.h"

namespace secrets::ctl {
namespace {

namespace json = boost::json;

/// Throws if `run` contains `=`: the user may have typed a value by mistake, and no error may
/// repeat it.
void check_no_value(const std::string& run) {
    if (run.find('=') == run.npos) return;
    throw CommandError(ExitCode::bad_input,
                       "the run id contains '='; values are never given on the command line: use "
                       "standard input or --from FILE");
}

std::string target_of_run(const std::string& text) {
    check_no_value(text);
    const auto run = RunId::parse(text);
    if (!run) throw CommandError(ExitCode::bad_input, run.status().message());
    return "/v1/runs/" + percent_encoded(run->text());
}

void check_ask(const std::string& ask) {
    const auto parsed = parse_spec(ask);
    if (const SpecError* error = parsed.error()) {
        throw CommandError(ExitCode::bad_input, error->message + "\n" + mark_place(ask, *error));
    }
}

std::string run_line(const json::object& run) {
    return "run " + text_of(run, "run") + " of " + text_of(run, "owner") + ": " +
           counted(array_of(run, "secrets").size(), "secret") + ", generation " +
           text_of(run, "generation") + ", " +
           (run.contains("ended") ? "ended " + local_time(text_of(run, "ended"))
                                  : "expires " + local_time(text_of(run, "expires"))) +
           (run.contains("until_job") ? ", ends with job " + text_of(run, "until_job") : "") + "\n";
}

void print_secrets(const json::object& run, Paint paint) {
    Table table({{"NAME"}, {"SCOPE"}, {"BYTES", Align::right}});
    for (const json::value& element : array_of(run, "secrets")) {
        const json::object& secret = as_object(element);
        table.add({text_of(secret, "name"), text_of(secret, "scope"), text_of(secret, "bytes")});
    }
    if (!table.empty()) table.print(std::cout << '\n', paint);
}

/// Prints the nodes that hold grants of a hub's run.
void print_nodes(const json::object& run, Paint paint) {
    Table table({{"NODE"}, {"JOBS"}, {"LAST SEEN"}});
    for (const json::value& element : array_of(run, "nodes")) {
        const json::object& node = as_object(element);
        std::string jobs;
        for (const json::value& job : array_of(node, "jobs")) {
            jobs += (jobs.empty() ? "" : ", ") + std::to_string(job.as_int64());
        }
        const std::string seen = local_time(text_of(node, "seen"));
        const bool lost = is_true(node, "lost");
        table.add(
            {text_of(node, "node"), jobs, lost ? Cell{seen + ", lost", Tone::bad} : Cell{seen}});
    }
    table.print(std::cout << '\n', paint);
}

void print_holds(const json::object& run, Paint paint) {
    Table table({{"JOB", Align::right}, {"HELD SINCE"}});
    for (const json::value& element : array_of(run, "holds")) {
        const json::object& hold = as_object(element);
        table.add({text_of(hold, "job"), local_time(text_of(hold, "since"))});
    }
    if (run.contains("nodes")) print_nodes(run, paint);
    if (run.contains("nodes") && table.empty()) return;
    std::cout << '\n';
    if (table.empty()) {
        std::cout << "held by no job\n";
    } else {
        table.print(std::cout, paint);
    }
}

Cell where_found(const json::object& item) {
    if (is_true(item, "found")) {
        const std::string scope = text_of(item, "scope");
        return item.contains("workspace") ? scope + " " + text_of(item, "workspace") : scope;
    }
    if (is_true(item, "optional")) return "no, optional: " + text_of(item, "reason");
    return {"no: " + text_of(item, "reason"), Tone::bad};
}

void print_items(const json::array& items, Paint paint) {
    Table table({{"NAME"}, {"VARIABLE"}, {"BYTES", Align::right}, {"FOUND"}});
    for (const json::value& element : items) {
        const json::object& item = as_object(element);
        table.add({text_of(item, "name"), text_of(item, "variable"), text_of(item, "bytes"),
                   where_found(item)});
    }
    if (table.empty()) {
        std::cout << "a job with this spec gets no secret\n";
    } else {
        table.print(std::cout, paint);
    }
}

/// Returns why a job with this secret spec would be denied, from an answer that denies it.
std::string why_not_granted(const json::object& answer) {
    if (answer.contains("reason")) return text_of(answer, "reason");
    constexpr std::size_t kMostNamed = 5;
    std::string missing;
    std::size_t count = 0;
    for (const json::value& element : array_of(answer, "items")) {
        const json::object& item = as_object(element);
        if (is_true(item, "found") || is_true(item, "optional") || ++count > kMostNamed) continue;
        missing += (missing.empty() ? "" : "; ") + text_of(item, "reason");
    }
    if (count > kMostNamed) missing += "; and " + std::to_string(count - kMostNamed) + " more";
    return "a job with this spec is refused: " + missing;
}

}  // namespace

ExitCode RunCommands::push(const PushOptions& options) const {
    target_of_run(options.run);  // a wrong id is said before anything is read
    if (!options.store.empty()) return push_store(options);
    if (is_standard_input(options.from) && ::isatty(STDIN_FILENO) != 0) {
        std::cerr << "reading NAME=VALUE lines; end with Ctrl-D\n";
    }
    const PushBody body = [&] {
        const SecretText input = read_secret_text(options.from);
        return make_push_body(input.characters(), source_name(options.from), options.fields);
    }();
    return push_body(options, body);
}

ExitCode RunCommands::push_body(const PushOptions& options, const PushBody& body) const {
    print_notes(body.notes);
    const Answer answer =
        agent_.ask({Method::put, target_of_run(options.run), body.text.view(), options.is_new});
    if (!agent_.json()) std::cout << run_line(read_object(answer));
    return ExitCode::fine;
}

ExitCode RunCommands::push_store(const PushOptions& options) const {
    const StoreFile store(options.store, options.remove);
    const PushBody body = [&] {
        const SecretText input = store.read();
        return make_push_body_of_store(input.characters(), options.store, options.fields);
    }();
    const ExitCode pushed = push_body(options, body);
    if (options.remove) store.remove();
    return pushed;
}

ExitCode RunCommands::complete(const std::string& run) const {
    agent_.ask({Method::remove, target_of_run(run), {}});
    if (!agent_.json())
        std::cout << "run " << run << " is complete: the agent holds none of its secrets\n";
    return ExitCode::fine;
}

ExitCode RunCommands::list_runs() const {
    const json::object object = read_all_runs(agent_);
    if (agent_.json()) {
        std::cout << json::serialize(object) << '\n';
        return ExitCode::fine;
    }
    Table table({{"RUN"},
                 {"OWNER"},
                 {"SECRETS", Align::right},
                 {"HOLDS", Align::right},
                 {"GENERATION", Align::right},
                 {"UNTIL JOB", Align::right},
                 {"EXPIRES"}});
    for (const json::value& element : array_of(object, "runs")) {
        const json::object& run = as_object(element);
        table.add({text_of(run, "run"), text_of(run, "owner"), text_of(run, "secrets"),
                   text_of(run, "holds"), text_of(run, "generation"),
                   run.contains("until_job") ? text_of(run, "until_job") : "-",
                   local_time(text_of(run, "expires"))});
    }
    if (table.empty()) {
        std::cout << "no runs are visible to you\n";
    } else {
        table.print(std::cout, agent_.paint());
    }
    return ExitCode::fine;
}

ExitCode RunCommands::show_run(const std::string& run) const {
    const Answer answer = agent_.ask({Method::get, target_of_run(run), {}});
    if (agent_.json()) return ExitCode::fine;
    const json::object object = read_object(answer);
    std::cout << run_line(object);
    print_secrets(object, agent_.paint());
    print_holds(object, agent_.paint());
    return ExitCode::fine;
}

ExitCode RunCommands::check(const std::string& ask) const {
    check_ask(ask);
    const Request request{Method::get, "/v1/check?ask=" + percent_encoded(ask), {}};
    // That it cannot be told now says nothing of the job.
    const Answer answer = agent_.ask(request, ExitCode::unreachable);
    const json::object object = read_object(answer);
    const bool granted = is_true(object, "ok");
    const json::array& items = array_of(object, "items");
    if (!agent_.json() && (granted || !items.empty())) print_items(items, agent_.paint());
    if (granted) return ExitCode::fine;
    throw CommandError(ExitCode::refused, why_not_granted(object));
}

}  // namespace secrets::ctl
