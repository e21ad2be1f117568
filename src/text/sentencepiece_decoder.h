#pragma once

#include <memory>

#include "text/decoders.h"
#include "text/sentencepiece_model.h"

namespace dstorch::text {

/// Pieces to text as SentencePiece's own Decode does it: the mark of the first word is dropped where encoding added it,
/// the unknown piece becomes its surface, byte pieces become characters.
std::unique_ptr<const Decoder> make_sentencepiece_decoder(SentencePieceModel model);

}  // namespace dstorch::text
