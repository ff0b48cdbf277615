#pragma once

#include <gtest/gtest.h>

#include <string>

#include "engraft/error.h"

/// `statement` throws Error of this fault whose message contains `part`.
#define EXPECT_FAULT(statement, expected, part)                        \
  try {                                                                \
    statement;                                                         \
    ADD_FAILURE() << "nothing was thrown";                             \
  } catch (const engraft::Error& error) {                              \
    EXPECT_EQ(error.fault, expected) << error.what();                  \
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) \
        << error.what();                                               \
  }
