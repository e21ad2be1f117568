#pragma once

// Everything that knows no torch. The tensor side is in torch_utils.h and simple_transformer.h.

#include "dstorch/architecture.h"
#include "dstorch/chat.h"
#include "dstorch/checkpoint.h"
#include "dstorch/constraint.h"
#include "dstorch/conversation.h"
#include "dstorch/device.h"
#include "dstorch/dtype.h"
#include "dstorch/error.h"
#include "dstorch/finetune.h"
#include "dstorch/generation.h"
#include "dstorch/lm_driver.h"
#include "dstorch/log.h"
#include "dstorch/memory.h"
#include "dstorch/model_source.h"
#include "dstorch/tokenizer.h"
#include "dstorch/torch_model.h"
#include "dstorch/train.h"
