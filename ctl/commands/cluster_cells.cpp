// SPDX-License-Identifier: Apache-2.0
#include "ctl/commands/cluster_cells.h"

#include "common/base/text_as.h"
#include "ctl/client/answer.h"

namespace secrets::ctl {
namespace {

namespace json = boost::json;

constexpr std::int64_t kClocksDiffer = 10;  ///< seconds; less is the way and the rounding

std::string time_words(const json::object& object, std::string_view name) {
    return local_time(text_of(object, name));
}

std::string certificate_words(const json::object& object) {
    if (!object.contains("certificate_expires")) return {};
    return ", certificate until " + time_words(object, "certificate_expires");
}

Cell hub(const json::object& object) {
    std::string words = object.contains("last_contact")
                            ? "answered " + time_words(object, "last_contact")
                            : "has not answered yet";
    bool is_well = true;
    if (const auto* ahead = object.if_contains("clock_ahead_seconds"); ahead && ahead->is_int64()) {
        const std::int64_t seconds = ahead->get_int64();
        words += ", this host's clock is " + std::to_string(seconds) + " s ahead";
        is_well = seconds < kClocksDiffer && seconds > -kClocksDiffer;
    }
    words += certificate_words(object);
    if (object.contains("trouble")) {
        return {printable(text_of(object, "trouble")) + "; " + words, Tone::bad};
    }
    return {words, is_well ? Tone::plain : Tone::warning};
}

Cell listener(const json::object& object) {
    std::string words = text_of(object, "address") + ", " + text_of(object, "hosts_seen") +
                        " hosts with agents seen";
    if (object.contains("last_seen")) words += ", the last " + time_words(object, "last_seen");
    return words + certificate_words(object);
}

Cell trouble_or(const json::object& object, std::string words) {
    if (!object.contains("trouble")) return words;
    return {printable(text_of(object, "trouble")) + " (" + words + ")", Tone::bad};
}

std::string list_words(const json::object& object, std::string_view name, const char* before) {
    const json::value* const list = find_member(object, name);
    if (list == nullptr || !list->is_array()) return {};
    std::string words;
    for (const json::value& text : list->get_array()) {
        if (!text.is_string()) continue;
        words += (words.empty() ? before : ", ") + printable(text.get_string());
    }
    return words;
}

Cell config(const json::object& object) {
    std::string words = printable(text_of(object, "file")) + ", " + text_of(object, "state");
    words += list_words(object, "users", "; users ");
    words += list_words(object, "groups", "; groups ");
    if (object.contains("trouble")) words += "; " + printable(text_of(object, "trouble"));
    return {words, text_of(object, "state") == "current" ? Tone::plain : Tone::warning};
}

}  // namespace

std::optional<Cell> cluster_cell(std::string_view name, const json::value& value) {
    if (name == "certificate_expires" && value.is_string()) {
        return local_time(text_as<std::string>(value.get_string()));
    }
    const json::object* const object = value.if_object();
    if (object == nullptr) return std::nullopt;
    if (name == "listener") return listener(*object);
    if (name == "munge") {
        return trouble_or(*object, text_of(*object, "state"));
    }
    if (name == "openbao") return trouble_or(*object, list_words(*object, "servers", ""));
    if (name == "config") return config(*object);
    return std::nullopt;
}

void add_hub_rows(Table& table, const json::object& status) {
    const json::value* const hubs = status.if_contains("hub_contacts");
    if (hubs == nullptr || !hubs->is_array()) return;
    for (const json::value& element : hubs->get_array()) {
        const json::object* const object = element.if_object();
        if (object != nullptr)
            table.add({"hub " + printable(text_of(*object, "url")), hub(*object)});
    }
}

}  // namespace secrets::ctl
