#include <algorithm>
#include <map>

#include "data/listing.h"
#include "engraft/features/activations.h"
#include "engraft/train/search.h"

namespace engraft {
namespace {

/// Takes `fraction` of folder.train out into `val`, by content.
void hold_out(ImageFolder& folder, double fraction, int64_t seed) {
  std::vector<Entry> entries;
  std::map<std::string, const Sample*> samples;
  for (const Sample& sample : folder.train) {
    const auto label = static_cast<size_t>(sample.label);
    entries.push_back({sample.path, folder.classes.at(label), Side::undecided,
                       sample.content});
    samples[sample.path] = &sample;
  }
  split_by_content(entries, fraction, seed);
  std::vector<Sample> train, val;
  for (const Entry& entry : entries)
    (entry.side == Side::val ? val : train).push_back(*samples.at(entry.path));
  folder.train = std::move(train);
  folder.val = std::move(val);
  if (folder.val.empty())
    fail(Fault::data, folder.root, ": no picture is left to judge trials by: ",
         "give a class two different pictures");
}

ImageFolder scan(const TrainOptions& options, double val_fraction) {
  DataOptions data = options.base.data_options;
  data.val_fraction = val_fraction;
  return scan_image_folder(options.base.data, data, options.base.run.threads,
                           cache_folder(options.base.cache));
}

}  // namespace

SearchParts split_for_search(const TrainOptions& options,
                             double test_fraction) {
  const DataOptions& data = options.base.data_options;
  SearchParts out;
  ImageFolder all = scan(options, test_fraction);
  const bool own_val = all.has_own_split, own_test = !all.test.empty();
  out.val_fraction = own_val || own_test ? data.val_fraction : test_fraction;
  if (own_test && !own_val) all = scan(options, data.val_fraction);
  out.trials = all;
  out.trials.test.clear();
  out.winner = all;
  out.winner.val.clear();
  if (own_test) {
    out.how = own_val ? "DATA's train, val and test"
                      : "DATA's train, split by content, and its test";
    out.winner.train.insert(out.winner.train.end(), all.val.begin(),
                            all.val.end());
    std::ranges::sort(out.winner.train, {}, &Sample::path);
  } else {
    out.how = own_val ? "DATA's train, split by content, and its val"
                      : "split by content";
    out.winner.test = std::move(all.val);
    // By another number than DATA's own split, whose val part is gone.
    hold_out(out.trials, data.val_fraction, data.split_seed + 1);
  }
  return out;
}

}  // namespace engraft
