#include "engraft/model/classifier.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torch/types.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "engraft/model/chain.h"
#include "engraft/model/surgery.h"
#include "support/expect_fault.h"
#include "support/python.h"
#include "support/tiny_images.h"
#include "support/tiny_models.h"

namespace engraft {
namespace {

namespace fs = std::filesystem;

std::string written(const torch::jit::Module& module, const std::string& path) {
  module.save(path);
  return path;
}

TEST(LoadClassifier, CutsSoftmaxOffAndTheSavedFileReturnsLogits) {
  const test::TempFolder folder;
  for (const std::string kind : {"softmax", "log_softmax"}) {
    const auto original = tiny::ending(kind);
    Classifier model = make_classifier(tiny::ending(kind), tiny::input());
    ASSERT_EQ(model.notes.size(), 1u);
    EXPECT_NE(model.notes[0].find(kind), std::string::npos);
    const std::string path = folder / "out.pt";
    save_classifier(model, path);
    auto again = torch::jit::load(path);
    const auto logits = again.forward({tiny::images(2)}).toTensor();
    auto reference = original;
    reference.eval();
    auto expected = reference.forward({tiny::images(2)}).toTensor();
    if (kind == "softmax") expected = expected.log();
    EXPECT_TRUE(
        torch::allclose(torch::log_softmax(logits, 1), expected, 1e-4, 1e-5));
    // Logits, not log probabilities: those of a row sum to one.
    EXPECT_FALSE(torch::allclose(logits, expected, 1e-2, 1e-2));
  }
}

TEST(LoadClassifier, TakesTheMainOutputOfTupleAndDict) {
  for (const std::string kind : {"tuple", "dict"}) {
    Classifier model = make_classifier(tiny::ending(kind), tiny::input());
    ASSERT_EQ(model.notes.size(), 1u);
    const auto plain = make_classifier(tiny::residual(), tiny::input());
    EXPECT_TRUE(BlockChain(model)
                    .logits(tiny::images(2))
                    .equal(BlockChain(plain).logits(tiny::images(2))));
    EXPECT_TRUE(model.module.forward({tiny::images(2)}).isTensor());
  }
}

TEST(LoadClassifier, RefusesWhatHasNotOneImage) {
  EXPECT_FAULT(make_classifier(tiny::ending("two_images"), tiny::input()),
               Fault::model, "takes 2 inputs");
  EXPECT_FAULT(make_classifier(tiny::ending("list_input"), tiny::input()),
               Fault::model, "List[Tensor]");
}

TEST(LoadClassifier, SetsBakedModesToEvaluationAlsoInTheFile) {
  const test::TempFolder folder;
  Classifier model = make_classifier(tiny::traced(true), tiny::input());
  EXPECT_TRUE(model.traced);
  EXPECT_EQ(model.baked_batch_norms, 5);
  EXPECT_EQ(model.baked_dropouts, 2);
  const std::string path = folder / "out.pt";
  save_classifier(model, path);
  auto again = torch::jit::load(path);
  auto evaluated = tiny::traced(false);
  EXPECT_TRUE(again.forward({tiny::images(2)})
                  .toTensor()
                  .equal(evaluated.forward({tiny::images(2)}).toTensor()));
}

TEST(LoadClassifier, TellsScriptFromTrace) {
  EXPECT_FALSE(make_classifier(tiny::residual(), tiny::input()).traced);
  EXPECT_TRUE(make_classifier(tiny::traced(false), tiny::input()).traced);
}

TEST(LoadClassifier, OfAFrozenGraphTheHeadIsLeft) {
  Classifier model = make_classifier(tiny::frozen(), tiny::input());
  EXPECT_TRUE(model.frozen_graph);
  auto original = tiny::tied();
  original.eval();
  const BlockChain chain(model);
  EXPECT_TRUE(torch::allclose(chain.logits(tiny::images(2)),
                              original.forward({tiny::images(2)}).toTensor(),
                              1e-4, 1e-5));
  EXPECT_EQ(chain.head().weight, "head_weight");
  replace_head(model, 3, 1);
  EXPECT_EQ(model.module.forward({tiny::images(2)}).toTensor().size(1), 3);
}

TEST(LoadClassifier, RefusesNewerFormatsAndDamagedRecords) {
  const test::TempFolder folder;
  Classifier model = make_classifier(tiny::residual(), tiny::input());
  model.record = {{"format", 2}};
  const std::string path = folder / "new.pt";
  save_classifier(model, path);
  EXPECT_FAULT(load_classifier(path), Fault::model, "format 2 is newer");
}

TEST(LoadClassifier, SaysWhatIsWrongWithAFile) {
  const test::TempFolder folder;
  EXPECT_FAULT(load_classifier(folder / "no.pt"), Fault::io, "no such file");
  EXPECT_FAULT(load_classifier(folder.path()), Fault::model, "a folder");
  std::ofstream(folder / "text.pt") << "hello";
  EXPECT_FAULT(load_classifier(folder / "text.pt"), Fault::model,
               "not a TorchScript file");
}

TEST(LoadClassifier, ReadsTheSidecarAndFlagsWin) {
  const test::TempFolder folder;
  const auto path = written(tiny::residual(), folder / "m.pt");
  std::ofstream(folder / "m.json") << R"({"classes": ["a", "b", "c", "d", "e"],
             "input": {"resize": 40, "crop": 32, "mean": [0.1, 0.2, 0.3]}})";
  InputOptions flags;
  flags.resize = 48;
  const Classifier model = load_classifier(path, flags);
  EXPECT_EQ(model.classes.size(), 5u);
  EXPECT_EQ(model.input.crop, 32);
  EXPECT_EQ(model.input.resize, 48);
  EXPECT_EQ(model.input.mean[1], 0.2);
  EXPECT_NE(model.input.source.find("m.json"), std::string::npos);
  const std::string& source = model.input.source;
  EXPECT_NE(source.find("--resize"), std::string::npos);
  EXPECT_EQ(source.find("--resize"), source.rfind("--resize")) << source;
}

TEST(LoadClassifier, TwoFormsOfOneModelShareASidecar) {
  const test::TempFolder folder;
  std::ofstream(folder / "m.json")
      << R"({"input": {"resize": 40, "crop": 32}})";
  const auto script = written(tiny::residual(), folder / "m.script.pt");
  EXPECT_EQ(load_classifier(script).input.resize, 40);
  std::ofstream(folder / "m.script.json")
      << R"({"input": {"resize": 50, "crop": 32}})";
  EXPECT_EQ(load_classifier(script).input.resize, 50);
  const auto other = written(tiny::residual(), folder / "m.other.pt");
  EXPECT_EQ(load_classifier(other).input.source, InputSpec().source);
}

TEST(LoadClassifier, FindsTheInputSizeByRunning) {
  const test::TempFolder folder;
  torch::jit::Module m("fixed");
  m.register_parameter("fc_w", torch::randn({4, 3 * 64 * 64}), false);
  m.define(
      "def forward(self, x: Tensor):\n"
      "  return torch.linear(torch.flatten(x, 1), self.fc_w)\n");
  const std::string path = written(m, folder / "fixed.pt");
  const Classifier model = load_classifier(path);
  EXPECT_EQ(model.input.crop, 64);
  // A size that the user names is taken or refused, never replaced.
  InputOptions options;
  options.input_size = 96;
  EXPECT_FAULT(load_classifier(path, options), Fault::usage,
               "--input-size 96: " + path + " does not run on it, but on 64");
}

TEST(LoadClassifier, KeepsItsGraphForTheChainWhileTheTensorsAreTheSame) {
  const Classifier model = make_classifier(tiny::residual(), tiny::input());
  ASSERT_TRUE(model.lowered);
  const auto images = torch::randn({2, 3, 32, 32});
  const auto logits = [&](const Classifier& of) {
    const BlockChain chain(of);
    return chain.run(images, 0, chain.num_blocks() + 1);
  };
  Classifier fresh = model;
  fresh.lowered.reset();
  EXPECT_TRUE(logits(model).equal(logits(fresh)));
  // With a new head the old graph's tensors are no longer the module's.
  Classifier other = model;
  replace_head(other, 7, 1);
  EXPECT_EQ(logits(other).size(1), 7);
  Classifier copy = model;
  copy.module = model.module.deepcopy();
  for (const auto& p : copy.module.parameters()) p.detach().zero_();
  EXPECT_FALSE(logits(copy).equal(logits(model)));
}

TEST(SaveClassifier, KeepsTheRecordAndTheLogits) {
  const test::TempFolder folder;
  Classifier model = make_classifier(tiny::residual(), tiny::input());
  model.record = {{"format", 1}, {"classes", {"x", "y", "z", "u", "v"}}};
  const std::string path = folder / "out.pt";
  save_classifier(model, path);
  const Classifier again = load_classifier(path);
  EXPECT_EQ(again.classes[4], "v");
  EXPECT_TRUE(BlockChain(again)
                  .logits(tiny::images(2))
                  .equal(BlockChain(model).logits(tiny::images(2))));
}

TEST(SaveClassifier, AFailureLeavesTheOldFileAndNoOther) {
  const test::TempFolder folder;
  const Classifier model = make_classifier(tiny::residual(), tiny::input());
  EXPECT_FAULT(save_classifier(model, "/dev/full/x.pt"), Fault::io,
               "cannot be written");
  EXPECT_FAULT(check_writable(folder / "no/x.pt"), Fault::io,
               "cannot be written");
  EXPECT_FAULT(check_writable(folder.path()), Fault::io, "a folder");
  EXPECT_FAULT(check_writable(folder / "x.pt", uint64_t{1} << 62), Fault::io,
               "KiB left");
  const std::string path = folder / "old.pt";
  std::ofstream(path) << "old";
  check_writable(path);
  EXPECT_EQ(fs::file_size(path), 3u);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 1);
}

TEST(SaveClassifier, AFullDiskDoesNotCostTheTraining) {
  const test::TempFolder folder;
  const Classifier model = make_classifier(tiny::residual(), tiny::input());
  const char* before = std::getenv("TMPDIR");
  setenv("TMPDIR", folder.path().c_str(), 1);
  EXPECT_FAULT(save_or_rescue(model, "/dev/full/x.pt"), Fault::io,
               "the trained model is in " + folder.path());
  if (before)
    setenv("TMPDIR", std::string(before).c_str(), 1);
  else
    unsetenv("TMPDIR");
  std::string rescued;
  for (const auto& file : fs::directory_iterator(folder.path()))
    rescued = file.path();
  EXPECT_TRUE(BlockChain(load_classifier(rescued))
                  .logits(tiny::images(2))
                  .equal(BlockChain(model).logits(tiny::images(2))));
}

TEST(SaveClassifier, PythonLoadsTheFileAndAgrees) {
  if (test::python("import torch") != 0) GTEST_SKIP() << test::no_python();
  const test::TempFolder folder;
  for (const bool traced : {false, true}) {
    Classifier model = make_classifier(
        traced ? tiny::traced(false) : tiny::residual(), tiny::input());
    replace_head(model, 3, 1);
    model.record = {{"format", 1}, {"classes", {"a", "b", "c"}}};
    const std::string path = folder / "out.pt";
    save_classifier(model, path);
    const auto logits = BlockChain(model).logits(tiny::images(2));
    torch::jit::Module sample("sample");
    sample.register_buffer("images", tiny::images(2));
    sample.register_buffer("logits", logits);
    const std::string other = folder / "sample.pt";
    sample.save(other);
    EXPECT_EQ(
        test::python("import torch, json; extra = {'engraft.json': ''};"
                     "m = torch.jit.load('" +
                     path +
                     "', _extra_files=extra);"
                     "s = torch.jit.load('" +
                     other +
                     "');"
                     "d = (m(s.images) - s.logits).abs().max().item();"
                     "assert d < 1e-4, d;"
                     "assert json.loads(extra['engraft.json'])['classes'] == "
                     "['a', 'b', 'c']"),
        0);
  }
}

TEST(Classifier, StandardisedWeightsStayThatInEvaluation) {
  auto module = tiny::standardised();
  torch::NoGradGuard no_grad;
  const auto x = tiny::images(3);
  const auto expected = module.forward({x}).toTensor();
  Classifier model = make_classifier(module, tiny::input());
  EXPECT_EQ(model.baked_batch_norms, 0);
  EXPECT_TRUE(torch::allclose(model.module.forward({x}).toTensor(), expected));
  const BlockChain chain(model);
  EXPECT_TRUE(torch::allclose(chain.run(x, 0, chain.num_blocks() + 1), expected,
                              1e-4, 1e-5));
}

TEST(Classifier, StochasticDepthOfATraceIsSwitchedOff) {
  Classifier model = make_classifier(tiny::random_depth(true), tiny::input());
  EXPECT_EQ(model.baked_dropouts, 1);
  torch::NoGradGuard no_grad;
  const auto x = tiny::images(3);
  const auto expected = make_classifier(tiny::traced(false), tiny::input())
                            .module.forward({x})
                            .toTensor();
  EXPECT_TRUE(torch::allclose(model.module.forward({x}).toTensor(), expected,
                              1e-4, 1e-5));
}

TEST(Classifier, WhatDrawsNumbersOrTakesOneImageIsRefused) {
  EXPECT_FAULT(make_classifier(tiny::random_depth(false), tiny::input()),
               Fault::model, "draws random numbers");
  EXPECT_FAULT(make_classifier(tiny::one_image(), tiny::input()), Fault::model,
               "takes one image, but not two");
}

TEST(Classifier, HalfPrecisionLeavesWholeNumbersAlone) {
  const auto module = tiny::traced(true);
  torch::NoGradGuard no_grad;
  for (const at::Tensor& tensor : module.parameters())
    at::Tensor(tensor).set_data(tensor.to(at::kHalf));
  const Classifier model = make_classifier(module, tiny::input());
  EXPECT_EQ(model.module.attr("c1").toTensor().scalar_type(), at::kFloat);
  EXPECT_EQ(model.module.attr("num_batches_tracked").toTensor().scalar_type(),
            at::kLong);
}

}  // namespace
}  // namespace engraft
