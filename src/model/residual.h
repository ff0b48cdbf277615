#pragma once

#include <vector>

#include "model/cut.h"

namespace engraft {

/// Where a residual branch meets its shortcut.
struct ResidualBranch {
  Node* add = nullptr;    ///< aten::add or aten::add_
  size_t operand = 0;     ///< of the addition: what the branch gives
  int64_t batch_dim = 0;  ///< along which pictures lie
};

/// Finds, at the top level of `graph` and in its order, the additions of two
/// tensors of one shape that have a common ancestor v (all ways from the image
/// to either lead over v), where
///  - the shortcut goes from v over at most pooling, padding and changes of
///    shape (He et al. 2016a, options A and C) and earlier shortcuts, and the
///    branch has a linear or convolution layer, or
///  - the shortcut also has linear layers and norms (a projection, option B),
///    but no activation, and the branch has both a layer and what is not
///    linear: two linear ways alone are one layer in two parts (RepVGG).
/// input 0 is the image or activation, the others are the model's tensors.
/// two, three  sizes of the tensors for batches of two and three pictures
std::vector<ResidualBranch> residual_branches(Graph& graph,
                                              const TensorSizes& two,
                                              const TensorSizes& three);

}  // namespace engraft
