#include "engraft/data/image_folder.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "data/content_hash.h"
#include "data/listing.h"
#include "data/walk.h"
#include "engraft/error.h"

namespace engraft {
namespace {

namespace fs = std::filesystem;

Listing list_data(const std::string& data, DataUse use) {
  std::error_code code;
  const auto status = fs::status(data, code);
  if (!fs::exists(status)) fail(Fault::data, data, ": no such file or folder");
  if (fs::is_directory(status)) return list_folder(data);
  if (is_picture_name(data))
    fail(Fault::data, data, ": is one picture; DATA is a folder with one ",
         "folder of pictures a class, or a CSV file path,label");
  return list_manifest(data, use);
}

void refuse_unreadable(const std::vector<LeftOut>& unreadable) {
  if (unreadable.empty()) return;
  std::string message =
      std::to_string(unreadable.size()) +
      (unreadable.size() == 1 ? " picture does" : " pictures do") +
      " not decode; repair or remove, or go on without by "
      "--skip-unreadable:";
  for (const auto& [path, reason] : unreadable)
    message += "\n  " + path + ": " + reason;
  fail(Fault::data, message);
}

/// Every class still has a picture, to learn from where that is the use, and
/// there is a choice.
void check_classes(const std::string& data, const Listing& listing,
                   DataUse use) {
  std::set<std::string> alive;
  for (const Entry& entry : listing.entries)
    if (gives_class(entry.side, use)) alive.insert(entry.label);
  for (const auto& label : listing.classes)
    if (!alive.count(label))
      fail(Fault::data, data, ": class '", label,
           "' has no picture that decodes: add some, or remove the class");
  for (const auto& label : listing.classes)
    if (!is_utf8(label))
      fail(Fault::data, data, ": the name of class '", label,
           "' is not UTF-8, ",
           "which names in a model are: rename its folder, or save the list ",
           "as UTF-8");
  if (use == DataUse::train && listing.classes.size() < 2)
    fail(Fault::data, data, ": has one class only ('", listing.classes.at(0),
         "'); a classifier needs at least two class folders");
}

void count_copies(ImageFolder& folder) {
  std::map<std::string, std::pair<int64_t, std::set<int64_t>>> seen;
  std::set<std::string> in_train;
  for (const Sample& sample : folder.train) in_train.insert(sample.content);
  for (const auto* samples : {&folder.train, &folder.val, &folder.test})
    for (const Sample& sample : *samples) {
      auto& [count, labels] = seen[sample.content];
      ++count;
      labels.insert(sample.label);
      if (samples != &folder.train && in_train.count(sample.content))
        ++folder.leaked;
    }
  for (const auto& [content, group] : seen) {
    if (group.first > 1) folder.copies += group.first;
    if (group.second.size() > 1) folder.conflicting += group.first;
  }
}

std::string fingerprint(const ImageFolder& folder) {
  std::vector<std::string> lines;
  for (const auto* samples : {&folder.train, &folder.val, &folder.test})
    for (const Sample& sample : *samples)
      lines.push_back(sample.content + " " + std::to_string(sample.label));
  std::ranges::sort(lines);
  std::string text;
  for (const auto& name : folder.classes) text += name + "\n";
  for (const auto& line : lines) text += line + "\n";
  return content_hash(text).hex();
}

void assign(const Listing& listing, ImageFolder& folder) {
  folder.classes = listing.classes;
  for (const Entry& entry : listing.entries) {
    auto& samples = entry.side == Side::val    ? folder.val
                    : entry.side == Side::test ? folder.test
                                               : folder.train;
    const auto at = std::ranges::lower_bound(folder.classes, entry.label);
    samples.push_back({entry.path, at - folder.classes.begin(), entry.content});
  }
  for (auto* samples : {&folder.train, &folder.val, &folder.test})
    std::ranges::sort(*samples, {}, &Sample::path);
}

}  // namespace

std::vector<int64_t> ImageFolder::counts(
    const std::vector<Sample>& samples) const {
  std::vector<int64_t> out(classes.size());
  for (const Sample& sample : samples)
    ++out.at(static_cast<size_t>(sample.label));
  return out;
}

ImageFolder scan_image_folder(const std::string& data,
                              const DataOptions& options, int64_t threads,
                              const std::string& cache, DataUse use) {
  Listing listing = list_data(data, use);
  ImageFolder folder;
  folder.root = data;
  folder.left_out = std::move(listing.left_out);
  folder.unreadable = check_pictures(listing.entries, threads, cache);
  if (!options.skip_unreadable) refuse_unreadable(folder.unreadable);
  check_classes(data, listing, use);
  folder.has_own_split =
      std::ranges::count(listing.entries, Side::val, &Entry::side) > 0;
  split_by_content(listing.entries, options.val_fraction, options.split_seed);
  assign(listing, folder);
  if (use == DataUse::train && folder.val.empty())
    fail(Fault::data, data, ": no picture is left to validate with: give a ",
         "class two different pictures, or DATA folders train and val");
  count_copies(folder);
  folder.fingerprint = fingerprint(folder);
  return folder;
}

Json to_json(const ImageFolder& folder) {
  const auto named = [](const std::vector<LeftOut>& files) {
    Json out = Json::array();
    for (const auto& [path, reason] : files)
      out.push_back({{"path", path}, {"reason", reason}});
    return out;
  };
  const auto train = folder.counts(folder.train);
  const auto val = folder.counts(folder.val);
  const auto test = folder.counts(folder.test);
  Json classes = Json::array();
  for (size_t i = 0; i < folder.classes.size(); ++i)
    classes.push_back({{"name", folder.classes[i]},
                       {"train", train[i]},
                       {"val", val[i]},
                       {"test", test[i]}});
  return {{"root", folder.root},
          {"classes", classes},
          {"train", folder.train.size()},
          {"val", folder.val.size()},
          {"test", folder.test.size()},
          {"own_split", folder.has_own_split},
          {"copies", folder.copies},
          {"conflicting", folder.conflicting},
          {"leaked", folder.leaked},
          {"left_out", named(folder.left_out)},
          {"unreadable", named(folder.unreadable)},
          {"fingerprint", folder.fingerprint}};
}

}  // namespace engraft
