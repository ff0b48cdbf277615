#pragma once

#include <torch/types.h>

#include <cstdint>

namespace engraft {

/// LogME (You et al. 2021, "LogME: Practical Assessment of Pre-trained
/// Models", algorithm 1): the largest log evidence of a Bayesian linear
/// regression from the features to the one-hot labels, a picture and a class.
/// Higher means that the features tell the classes apart better.
/// features  floating [N, D], N >= 2
/// labels    int64 [N], in [0, classes)
double log_me(const torch::Tensor& features, const torch::Tensor& labels,
              int64_t classes);

/// LEEP (Nguyen et al. 2020, equation 2): mean log likelihood of the labels
/// when they are drawn by way of the original head's classes,
///   P(y | z) = P(y, z) / P(z),  LEEP = mean log sum_z P(y_i | z) p_i(z).
/// At most 0; higher means that the old classes say more about the new ones.
/// probabilities  floating [N, Z], the original head's softmax
/// labels         int64 [N], in [0, classes)
double leep(const torch::Tensor& probabilities, const torch::Tensor& labels,
            int64_t classes);

}  // namespace engraft
