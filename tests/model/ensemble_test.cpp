#include "engraft/model/ensemble.h"

#include <gtest/gtest.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torch/types.h>

#include "engraft/model/chain.h"
#include "engraft/model/surgery.h"
#include "support/expect_fault.h"
#include "support/python.h"
#include "support/tiny_images.h"
#include "support/tiny_models.h"

namespace engraft {
namespace {

using test::TempFolder;

/// A classifier of five classes with weights of its own, written and read: two
/// of them have types of one name in two compilation units.
Classifier member(const TempFolder& folder, const std::string& name,
                  const torch::jit::Module& module) {
  Classifier out = make_classifier(module, tiny::input());
  auto generator = at::detail::createCPUGenerator(name.size());
  torch::NoGradGuard no_grad;
  for (const auto& one : out.module.named_parameters()) {
    torch::Tensor weight = one.value;
    weight.add_(torch::randn(weight.sizes(), generator) * 0.2);
    // So that no class is certain.
    if (one.name.starts_with("fc_")) weight.mul_(0.05);
  }
  out.classes = {"a", "b", "c", "d", "e"};
  out.record = {{"format", 1},
                {"classes", out.classes},
                {"input", to_json(out.input)},
                {"best_epoch", name.size()}};
  save_classifier(out, folder / name);
  return load_classifier(folder / name);
}

std::vector<Classifier> two_members(const TempFolder& folder) {
  return {member(folder, "one.pt", tiny::residual()),
          member(folder, "second.pt", tiny::residual())};
}

/// float64 [N, classes], by the members themselves.
torch::Tensor mean_probabilities(const std::vector<Classifier>& members) {
  torch::Tensor sum;
  for (Classifier model : members) {
    const auto one = model.module.forward({tiny::images(3)})
                         .toTensor()
                         .to(torch::kFloat64)
                         .softmax(1);
    sum = sum.defined() ? sum + one : one;
  }
  return sum / static_cast<double>(members.size());
}

TEST(Ensemble, ForwardIsTheLogOfTheMeanProbabilitiesAlsoFromItsFile) {
  const TempFolder folder;
  const auto members = two_members(folder);
  const auto expected = mean_probabilities(members);
  for (const Classifier& one : members)
    EXPECT_GT((expected - mean_probabilities({one})).abs().max().item<double>(),
              0.05);
  Classifier ensemble = combine(members);
  save_classifier(ensemble, folder / "both.pt");
  auto plain = torch::jit::load(folder / "both.pt");
  for (torch::jit::Module* module : {&ensemble.module, &plain}) {
    const auto scores = module->forward({tiny::images(3)}).toTensor();
    EXPECT_EQ(scores.scalar_type(), torch::kFloat32);
    EXPECT_TRUE(
        torch::allclose(scores.to(torch::kFloat64).exp(), expected, 0, 1e-5));
    EXPECT_TRUE(torch::allclose(scores.softmax(1).to(torch::kFloat64), expected,
                                0, 1e-5));
  }
}

TEST(Ensemble, TakesCopiesOfOneModelAndTraces) {
  const TempFolder folder;
  Classifier first = member(folder, "one.pt", tiny::traced(false));
  Classifier second = first;
  second.module = first.module.deepcopy();
  replace_head(second, 5, 4);
  second.classes = first.classes;
  const Classifier third = member(folder, "third.pt", tiny::traced(true));
  // `traced` in train mode counts its batches: another buffer.
  const std::vector<Classifier> members{first, second};
  EXPECT_FAULT(combine({first, third}), Fault::model, "num_batches_tracked");
  save_classifier(combine(members), folder / "both.pt");
  auto plain = torch::jit::load(folder / "both.pt");
  EXPECT_TRUE(torch::allclose(
      plain.forward({tiny::images(3)}).toTensor().to(torch::kFloat64).exp(),
      mean_probabilities(members), 0, 1e-5));
}

TEST(Ensemble, KeepsSmallProbabilitiesApart) {
  const TempFolder folder;
  auto members = two_members(folder);
  torch::NoGradGuard no_grad;
  for (auto& one : members) {
    one.module.attr("fc_w").toTensor().zero_();
    one.module.attr("fc_b").toTensor().copy_(
        torch::tensor({0.0, -200.0, -300.0, -400.0, -500.0}));
  }
  const auto scores =
      combine(members).module.forward({tiny::images(3)}).toTensor();
  EXPECT_NEAR(scores[0][3].item<double>(), -400, 1e-3);
}

TEST(Ensemble, AMemberThatWritesToItsInputSpoilsNoOther) {
  torch::jit::Module module("writes");
  module.register_parameter("w", torch::eye(3), false);
  module.define(
      "def forward(self, x: Tensor):\n"
      "  x.mul_(2.0)\n"
      "  return torch.linear(torch.mean(x, [2, 3]), self.w)\n");
  const Classifier one = make_classifier(module, tiny::input());
  const auto single =
      one.module.deepcopy().forward({tiny::images(3)}).toTensor();
  const auto given = tiny::images(3);
  const auto both = combine({one, one}).module.forward({given}).toTensor();
  EXPECT_TRUE(torch::allclose(both, single.log_softmax(1), 1e-5, 1e-5));
  EXPECT_TRUE(given.equal(tiny::images(3)));
}

TEST(Ensemble, MembersComeBackAsTheyWere) {
  const TempFolder folder;
  const auto members = two_members(folder);
  save_classifier(combine(members), folder / "both.pt");
  const Classifier file = load_classifier(folder / "both.pt");
  EXPECT_TRUE(is_ensemble(file));
  EXPECT_FALSE(is_ensemble(members[0]));
  EXPECT_EQ(member_names(file), (std::vector<std::string>{
                                    folder / "one.pt", folder / "second.pt"}));
  EXPECT_EQ(file.classes, members[0].classes);
  EXPECT_EQ(to_json(file.input), to_json(tiny::input()));
  const auto back = members_of(file);
  ASSERT_EQ(back.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(BlockChain(back[i])
                    .logits(tiny::images(3))
                    .equal(BlockChain(members[i]).logits(tiny::images(3))));
    EXPECT_EQ(back[i].classes, members[i].classes);
    EXPECT_EQ(back[i].record, members[i].record);
    EXPECT_EQ(back[i].path, folder / "both.pt" + ": " + member_names(file)[i]);
  }
}

TEST(Ensemble, RefusesWhatDiffersInMoreThanWeights) {
  const TempFolder folder;
  const auto members = two_members(folder);
  const auto expect_refusal = [&](const Classifier& other, const char* part) {
    EXPECT_FAULT(combine({members[0], other}), Fault::model, part);
    EXPECT_FAULT(combine({members[0], other}), Fault::model, "--with");
  };
  Classifier other = members[1];
  other.classes[1] = "x";
  expect_refusal(other, "class 1 is 'b' in");
  other = members[1];
  other.input.resize = 20;
  expect_refusal(other, "the input's resize is 18 in");
  other = members[1];
  other.input.source = "elsewhere";
  EXPECT_NO_THROW(combine({members[0], other}));
  expect_refusal(member(folder, "conv.pt", tiny::conv_head()),
                 "'head_b' is only in");
  other = members[1];
  other.module = other.module.deepcopy();
  replace_head(other, 4, 1);  // and nobody names its classes
  expect_refusal(other, "'fc_b' is [5] in");
  EXPECT_FAULT(combine({combine(members), members[0]}), Fault::model,
               "is an ensemble itself");
}

TEST(Ensemble, IsNoModelToStartFrom) {
  const TempFolder folder;
  Classifier ensemble = combine(two_members(folder));
  EXPECT_FAULT(BlockChain{ensemble}, Fault::model, "an ensemble of 2 models");
  EXPECT_FAULT(replace_head(ensemble, 3, 1), Fault::model,
               "start from the file of one of its members");
}

TEST(Ensemble, AMissingMemberIsNamed) {
  const TempFolder folder;
  Classifier ensemble = combine(two_members(folder));
  ensemble.path = "both.pt";
  ensemble.record["members"].push_back(ensemble.record["members"][0]);
  EXPECT_FAULT(members_of(ensemble), Fault::model,
               "both.pt: is damaged: engraft.json lists 3 members, but the "
               "model has no member_2");
}

TEST(Ensemble, InspectionShowsMembersAndWhatTheyShare) {
  const TempFolder folder;
  const auto members = two_members(folder);
  save_classifier(combine(members), folder / "both.pt");
  const Inspection both = inspect_model(folder / "both.pt", {});
  const Inspection one = inspect_model(folder / "one.pt", {});
  EXPECT_EQ(both.members.size(), 2u);
  EXPECT_TRUE(one.members.empty());
  EXPECT_EQ(both.num_parameters, one.num_parameters);
  EXPECT_EQ(both.blocks.size(), one.blocks.size());
  EXPECT_EQ(both.classes, one.classes);
  EXPECT_EQ(both.proof_difference, 0.0);
  EXPECT_EQ(to_json(both)["members"].size(), 2u);
  EXPECT_FALSE(to_json(one).contains("members"));
}

TEST(Ensemble, PythonLoadsTheFileAndGivesTheMeanOfItsMembers) {
  if (test::python("import torch") != 0) GTEST_SKIP() << test::no_python();
  const TempFolder folder;
  save_classifier(combine(two_members(folder)), folder / "both.pt");
  EXPECT_EQ(
      test::python("import torch, json; extra = {'engraft.json': ''};"
                   "load = torch.jit.load;"
                   "both = load('" +
                   (folder / "both.pt") +
                   "', _extra_files=extra);"
                   "record = json.loads(extra['engraft.json']);"
                   "members = [load(m['model']) for m in record['members']];"
                   "assert len(members) == 2;"
                   "x = torch.randn(3, 3, 16, 16);"
                   "mean = sum(m(x).softmax(1) for m in members) / 2;"
                   "d = (both(x).exp() - mean).abs().max().item();"
                   "assert d < 1e-5, d"),
      0);
}

}  // namespace
}  // namespace engraft
