"""The words of the phrasebook: tables that a reader of Korean can check line by line.

Nouns stand in groups. A group's head gives its tags (what verbs and adjectives select), its kind and its counter:

    c  countable: a bare noun is "a book"            m  mass: "coffee"; counted through a measure, "two cups of coffee"
    p  always plural: "pants", "two pairs of pants"  t  a bare noun is "the news"
    z  abstract: bare only, no article ("math")      i  instrument or the like: bare only, "the piano"

Plurals follow the rule unless given after a slash (`child/children`). Verbs and adjectives name tags or single nouns.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from s2s.data.phrasebook.hangul import with_final_ending, with_neun

# Group lines: TAGS KIND COUNTER[=MEASURE]: Korean English; Korean English; ...
NOUNS = """
book c 권: 책 book; 소설 novel; 잡지 magazine; 만화책 comic book; 교과서 textbook; 동화책 storybook
dictionary c 권: 사전 dictionary
mail c 통: 편지 letter; 이메일 email
poem c 편: 시 poem
text c 개: 보고서 report; 기사 article
news t -: 뉴스 news
paper c -: 신문 newspaper
fruit,peel,bite c 개: 사과 apple; 바나나 banana; 오렌지 orange; 복숭아 peach; 토마토 tomato/tomatoes
vegetable,bite c 개: 감자 potato/potatoes; 고구마 sweet potato/sweet potatoes; 당근 carrot
egg,bite c 개: 달걀 egg
snack,bite c 개: 샌드위치 sandwich; 햄버거 hamburger; 쿠키 cookie
baked,dish m 조각=piece: 빵 bread; 케이크 cake; 피자 pizza
sweet,dish m 조각=piece: 초콜릿 chocolate
bowl,dish m 그릇=bowl: 비빔밥 bibimbap; 라면 ramen; 수프 soup; 샐러드 salad
meat,dish m -: 고기 meat; 생선 fish; 닭고기 chicken; 불고기 bulgogi
icecream,dish m -: 아이스크림 ice cream
kimchi,dish m -: 김치 kimchi
meal z -: 아침 breakfast; 점심 lunch; 저녁 dinner
hotdrink,drink m 잔=cup: 커피 coffee; 녹차 green tea; 홍차 black tea
colddrink,drink m 잔=glass: 물 water; 우유 milk; 주스 juice; 콜라 cola
colddrink,drink,alcohol m 잔=glass: 와인 wine; 맥주 beer
clothes c 벌: 셔츠 shirt; 치마 skirt; 코트 coat; 재킷 jacket; 스웨터 sweater; 원피스 dress
clothes p 벌=pair: 바지 pants; 청바지 jeans
shoes p 켤레=pair: 구두 dress shoes; 운동화 sneakers; 양말 socks; 부츠 boots
hat c 개: 모자 hat
eyewear p -: 안경 glasses
bag,belonging c 개: 가방 bag; 지갑 wallet
jewelry,belonging c 개: 반지 ring; 시계 watch
key,belonging c 개: 열쇠 key
umbrella,belonging c 개: 우산 umbrella
device,belonging c 대: 카메라 camera; 휴대폰 cell phone
device c 대: 컴퓨터 computer; 노트북 laptop
switch t -: 텔레비전 television; 라디오 radio; 불 light; 에어컨 air conditioner
door t -: 문 door; 창문 window
furniture c 개: 책상 desk; 의자 chair; 침대 bed; 소파 sofa; 식탁 table
box c 개: 상자 box; 바구니 basket
dishware c 개: 접시 plate; 컵 cup
knife c 개: 칼 knife/knives
gift c 개: 선물 gift
flower c 송이: 꽃 flower; 장미 rose; 튤립 tulip
tree c 그루: 나무 tree
picture c 장: 사진 photo; 그림 picture
song,sound c 곡: 노래 song
sound z -: 음악 music
talk,sound c -: 강의 lecture
film c 편: 영화 movie; 드라마 drama; 연극 play
game c -: 경기 game
strings i -: 피아노 piano; 기타 guitar
bowed i -: 바이올린 violin; 첼로 cello
ball z -: 축구 soccer; 농구 basketball; 야구 baseball; 배구 volleyball
racket z -: 테니스 tennis; 탁구 table tennis; 배드민턴 badminton
language z -: 한국어 Korean; 영어 English; 일본어 Japanese; 중국어 Chinese; 프랑스어 French; 독일어 German
subject z -: 수학 math; 역사 history; 과학 science; 미술 art
skill z -: 수영 swimming; 태권도 taekwondo; 요리 cooking
homework z -: 숙제 homework
event c -: 회의 meeting; 수업 class; 파티 party; 여행 trip
appointment c -: 약속 appointment
fact t -: 비밀 secret; 답 answer; 주소 address; 이유 reason; 규칙 rule
problem c 개: 문제 problem; 퍼즐 puzzle
plan c -: 계획 plan
public c 대: 버스 bus; 택시 taxi; 기차 train
subway i -: 지하철 subway
plane c -: 비행기 plane
car c 대: 자동차 car; 트럭 truck
bike c 대: 자전거 bicycle; 오토바이 motorcycle
animal,pet c 마리: 고양이 cat; 개 dog; 강아지 puppy/puppies; 토끼 rabbit; 앵무새 parrot
animal c 마리: 소 cow; 말 horse; 돼지 pig; 닭 chicken; 오리 duck
medicine m -: 약 medicine
height c -: 산 mountain; 언덕 hill; 탑 tower
building c 채: 건물 building
bridge c 개: 다리 bridge
"""

# Places: TAGS PREPOSITION: Korean English; ... The preposition translates 에서; a bare place is "the library".
# "=" marks a name and "~" a place without article (at home, to school; `phrases.place_phrase` makes "go home").
PLACES = """
home at: 집 ~home
study,hall,town at: 도서관 library
study,eat,town at: 카페 cafe
study,school at: 학교 ~school
study,room in: 교실 classroom
work,room at: 사무실 office
eat,town at: 식당 restaurant
eat,town,stay at: 호텔 hotel
room,cook in: 부엌 kitchen
home,room in: 거실 living room
home,room in: 방 room
room in: 화장실 bathroom
garden,outdoors,room in: 정원 garden
outdoors,walk,town in: 공원 park
outdoors,walk at: 해변 beach; 호수 lake; 바다 sea
outdoors,play at: 놀이터 playground
shop,food,town at: 시장 market; 슈퍼마켓 supermarket; 편의점 convenience store
shop,goods,town at: 백화점 department store; 가게 store
shop,books,town at: 서점 bookstore
shop,bread,town at: 빵집 bakery
flowershop,town at: 꽃집 flower shop
clinic,town at: 병원 hospital; 약국 pharmacy
town at: 은행 bank; 우체국 post office; 경찰서 police station; 동물원 zoo
hall,town at: 박물관 museum; 미술관 art museum
cinema,town at: 극장 theater; 영화관 cinema
sport,town at: 체육관 gym; 수영장 swimming pool
study,campus,town at: 대학교 university
station,town at: 역 station; 공항 airport; 정류장 bus stop
farm,outdoors on: 농장 farm
city in: 서울 =Seoul; 부산 =Busan; 대구 =Daegu; 인천 =Incheon; 광주 =Gwangju; 경주 =Gyeongju
city on: 제주도 =Jeju Island
land in: 한국 =Korea; 일본 =Japan; 중국 =China; 미국 =America; 영국 =England; 프랑스 =France; 독일 =Germany; 캐나다 =Canada
"""

# People: KIND: Korean English; ... name: no article; kin: "my mother"; role: "the doctor" as subject, else "a doctor".
PEOPLE = """
name: 민수 Minsu; 지수 Jisu; 유나 Yuna; 지호 Jiho; 수지 Suji; 영희 Yeonghui; 철수 Cheolsu; 미나 Mina; 준호 Junho; 유미 Yumi
name: 은지 Eunji; 현우 Hyeonu; 톰 Tom; 존 John; 수잔 Susan; 마이클 Michael; 안나 Anna; 에밀리 Emily
he: 아버지 father; 형 older brother; 남동생 younger brother; 삼촌 uncle; 남편 husband; 아들 son
she: 어머니 mother; 누나 older sister; 여동생 younger sister; 이모 aunt; 아내 wife; 딸 daughter
kin: 친구 friend; 사촌 cousin; 이웃 neighbor
role: 의사 doctor; 학생 student; 가수 singer; 화가 painter; 요리사 cook; 기자 reporter; 간호사 nurse; 배우 actor
role: 작가 writer; 변호사 lawyer; 농부 farmer; 회사원 office worker; 경찰관 police officer; 군인 soldier
"""

# Verbs: lemma[/irregular class] | English base [past] | particle[:preposition] | complements | places | flags
# The complement of an intransitive verb (particle -) is its place. Flags:
#   mind     not with plain negation (이해할 수 없어요)   sure     not negated (모르다 does it)
#   stative  only plain present and past, without time     past     only plain past
#   generic  a bare countable complement is plural         give     takes a recipient (친구에게)
#   get      fits a relative clause (제가 산 책)            keep     the main verb above such a clause
#   ask      fits "please" (-아 주세요)                     shall    fits "shall we" (-을까요?)
#   with     fits 친구와
#   far      may have been last year, or in a minute    long     too long for a day: only last year, next month ...
#   sense    무엇을 would be ambiguous or odd with this verb
#   errand   what one goes somewhere for (-으러)            unknown  모르다, "do not know"
#   one      the complement is not counted               nofreq   not with 자주, 매일 ..., no plain present
#   plain    no progressive                              feel     not planned: past and right now only
VERBS = """
읽다 | read read | 을 | book mail poem text paper | home study | keep shall errand
쓰다 | write wrote | 을 | 책 소설 mail poem text | home study work | get far
번역하다 | translate | 을 | 책 소설 시 편지 기사 교과서 동화책 | study work | ask keep far
빌리다 | borrow | 을 | book dictionary umbrella 자전거 카메라 자동차 노트북 | - | get shall plain nofreq
추천하다 | recommend | 을 | book film 노래 | - | get ask plain nofreq
먹다 | eat ate | 을 | fruit vegetable egg snack baked sweet bowl meat icecream meal kimchi | home cook eat | keep shall with errand
먹다 | take took | 을 | medicine | home clinic | plain sense
마시다 | drink drank | 을 | drink | home cook eat | keep shall with errand
요리하다 | cook | 을 | meat | 집 부엌 식당 | get
굽다/ㅂ | bake | 을 | baked 쿠키 | 집 부엌 빵집 | get shall with
만들다 | make made | 을 | 케이크 샌드위치 샐러드 수프 비빔밥 주스 책상 의자 상자 영화 | - | get with
주문하다 | order | 을 | dish snack drink | eat | get shall ask plain
사다 | buy bought | 을 | book dictionary | 서점 | get errand nofreq plain shall far
사다 | buy bought | 을 | fruit vegetable egg snack baked colddrink meat kimchi | food | get errand shall plain
사다 | buy bought | 을 | clothes shoes hat eyewear bag jewelry umbrella device furniture gift dishware knife | goods | \
    get errand nofreq plain shall far
사다 | buy bought | 을 | flower | 꽃집 시장 | get errand shall plain
팔다 | sell sold | 을 | fruit vegetable egg clothes shoes hat bag dishware furniture flower baked | 시장 가게 | generic plain far
고르다/르 | choose chose | 을 | clothes shoes hat bag jewelry gift | goods | get shall nofreq
찾다 | find found | 을 | belonging eyewear hat | home study | get plain nofreq
잃어버리다 | lose lost | 을 | belonging hat eyewear | town | past far
버리다 | throw away threw away | 을 | box bag shoes 의자 paper 컵 접시 | - | nofreq plain
고치다 | fix | 을 | device bike car 시계 furniture | 집 가게 | keep ask
사용하다 | use | 을 | device dictionary knife umbrella | - | keep plain one
입다 | wear wore | 을 | clothes | - | keep plain one
신다 | wear wore | 을 | shoes | - | keep plain one
쓰다 | wear wore | 을 | hat eyewear | - | keep plain one sense
벗다 | take off took off | 을 | clothes shoes hat eyewear | - | nofreq plain one
씻다 | wash | 을 | fruit vegetable dishware knife | 집 부엌 | keep ask
닦다 | wipe | 을 | furniture door eyewear 구두 | - | keep ask
자르다/르 | cut cut | 을 | baked fruit meat 감자 당근 | 부엌 집 식당 | keep ask
열다 | open | 을 | door 상자 bag | - | ask plain one
닫다 | close | 을 | door 상자 | - | ask plain one
켜다 | turn on turned on | 을 | switch device | - | ask plain one
끄다 | turn off turned off | 을 | switch device | - | ask plain one
짓다/ㅅ | build built | 을 | building bridge 탑 | city | plain nofreq far long
붓다/ㅅ | pour | 을 | drink | - | ask
젓다/ㅅ | stir stirred | 을 | 수프 hotdrink | - | ask one
듣다/ㄷ | listen to listened to | 을 | sound 라디오 뉴스 | home study | shall with
부르다/르 | sing sang | 을 | song | home outdoors | with
보다 | watch | 을 | film game news 텔레비전 | home | shall with keep
보다 | watch | 을 | film | cinema | shall with keep errand
그리다 | draw drew | 을 | 그림 flower tree 고양이 산 건물 | outdoors study 집 | get
찍다 | take took | 을 | 사진 | outdoors town | get with shall
치다 | play | 을 | strings | home school | shall with
치다 | play | 을 | racket | 공원 학교 체육관 | with shall
연주하다 | play | 을 | bowed strings | home school 극장 | with
하다 | play | 을 | ball | 공원 학교 체육관 놀이터 | with shall errand sense
하다 | do did | 을 | homework | home study | with one
배우다 | learn | 을 | language skill strings bowed racket | 학교 대학교 | with errand shall far
가르치다 | teach taught | 을 | language subject skill strings | 학교 대학교 | far
공부하다 | study | 을 | language subject | home study | with errand shall one far
연습하다 | practice | 을 | ball racket strings bowed skill | home school | with shall far
이해하다 | understand understood | 을 | poem text fact problem film | - | mind stative one
알다 | know knew | 을 | fact | - | sure stative
모르다/르 | know knew | 을 | fact | - | unknown
잊어버리다 | forget forgot | 을 | fact appointment | - | past
기억하다 | remember | 을 | fact appointment | - | mind stative
좋아하다 | like | 을 | fruit vegetable snack dish drink pet animal flower language subject ball racket film sound | - | \
    stative generic get
싫어하다 | hate | 을 | fruit vegetable snack dish drink pet animal subject racket ball | - | stative generic
기다리다 | wait for waited for | 을 | 버스 택시 | 정류장 역 | one
기다리다 | wait for waited for | 을 | 기차 | 역 | one
기다리다 | wait for waited for | 을 | person | station cinema 카페 공원 | ask one
만나다 | meet met | 을 | person | town | shall plain errand far
돕다/돕 | help | 을 | person | study home work | -
초대하다 | invite | 을 | person | - | plain shall nofreq
존경하다 | respect | 을 | name he she | - | stative
사랑하다 | love | 을 | name he she kin pet | - | stative generic one
칭찬하다 | praise | 을 | person | - | plain
방문하다 | visit | 을 | city land 박물관 미술관 동물원 대학교 농장 | - | shall with plain far sense
주다 | give gave | 을 | gift flower book jewelry | - | give plain get nofreq far
보내다 | send sent | 을 | mail gift picture flower | - | give plain get nofreq
빌려주다 | lend lent | 을 | book umbrella bike device | - | give plain get nofreq
보여주다 | show | 을 | picture mail | - | give plain ask
설명하다 | explain | 을 | fact problem plan | study work | give ask plain nofreq
받다 | receive | 을 | gift mail flower 반지 | - | get plain far
타다 | take took | 을 | 버스 택시 | 정류장 공항 역 | shall with plain one
타다 | take took | 을 | 기차 subway | 역 | shall with plain one
타다 | take took | 을 | plane | 공항 | shall with plain one
타다 | ride rode | 을 | bike | outdoors | keep with one sense
타다 | ride rode | 을 | 말 | 농장 공원 | keep with one sense
운전하다 | drive drove | 을 | car 버스 택시 | - | keep one
심다 | plant | 을 | flower tree vegetable | garden farm | get with nofreq far
키우다 | raise | 을 | pet animal | 집 농장 | get plain far long nofreq
옮기다 | move | 을 | furniture box | - | ask keep
청소하다 | clean | 을 | room 카페 식당 가게 | - | ask shall
준비하다 | prepare | 을 | meal event gift | - | with
끝내다 | finish | 을 | homework 회의 수업 보고서 | study work | plain
취소하다 | cancel | 을 | event appointment plan | - | ask nofreq plain
바꾸다 | change | 을 | plan 규칙 주소 | - | plain nofreq ask
확인하다 | check | 을 | mail 주소 답 plan | work home | ask
풀다 | solve | 을 | problem | study home | with shall
일하다 | work | - | work 은행 우체국 병원 약국 가게 식당 호텔 카페 농장 공항 서점 city | - | far
살다 | live | - | city land | - | stative
자다 | sleep slept | - | 집 방 호텔 | - | plain
쉬다 | rest | - | 집 방 거실 정원 공원 해변 카페 호텔 | - | shall errand
걷다/ㄷ | walk | - | outdoors | - | with shall
뛰다 | run ran | - | outdoors 체육관 | - | with
수영하다 | swim swam | - | 수영장 바다 호수 | - | with shall errand
놀다 | play | - | outdoors 집 | - | with plain shall errand
웃다 | laugh | - | 교실 카페 집 | - | feel
울다 | cry | - | 집 방 교실 극장 | - | feel
춤추다 | dance | - | 거실 공원 해변 극장 | - | with
운동하다 | exercise | - | 체육관 공원 집 | - | with shall errand
산책하다 | take a walk took a walk | - | outdoors | - | with shall errand
여행하다 | travel | - | city land | - | with far
쇼핑하다 | shop shopped | - | goods 시장 | - | with shall errand
머무르다/르 | stay | 에:in | 서울 부산 대구 광주 land | - | with plain far
앉다 | sit sat | 에:on | 의자 소파 침대 | - | plain one
눕다/ㅂ | lie lay | 에:on | 소파 침대 | - | plain one
가다 | go went | 에:to | home school town city land 농장 사무실 교실 바다 | - | with shall plain
오다 | come came | 에:to | home school town city 사무실 교실 | - | with plain
도착하다 | arrive | 에:at | town 학교 사무실 | - | plain
돌아가다 | go back went back | 에:to | home school city land 호텔 사무실 | - | plain with
돌아오다 | come back came back | 에:to | home school city land 호텔 사무실 | - | plain with
들어가다 | enter | 에: | town room | - | plain nofreq
출발하다 | depart | 에서:from | city station 호텔 학교 | - | plain with
이사하다 | move | 으로:to | city land | - | plain nofreq far long
떠나다 | leave left | 을 | city land | - | plain nofreq far
오르다/르 | climb | 에: | height | - | with shall one
전화하다 | call | 에게: | person | - | plain
있다 | have had | 이 | bike car device umbrella bag pet dictionary plan appointment jewelry | - | own
"""

# Adjectives: lemma[/irregular class] | English | nouns they describe | good (+), bad (-) or neither (.)
# 새 and 오래된 are not stems: they stand before nouns as they are, and are never predicates.
ADJECTIVES = """
비싸다 | expensive | clothes shoes hat bag jewelry device furniture car bike gift flower 식당 호텔 백화점 카페 | -
싸다 | cheap | clothes shoes hat bag umbrella dishware book fruit vegetable 식당 | +
크다 | big | bag box furniture tree animal car building bridge fruit vegetable 시장 백화점 공항 도서관 공원 대학교 | .
작다 | small | bag box furniture tree animal car building bridge 카페 서점 가게 박물관 호텔 방 dishware | .
예쁘다 | pretty | clothes hat bag jewelry flower dishware picture 카페 | +
아름답다/ㅂ | beautiful | flower 그림 song poem outdoors city bridge height | +
무겁다/ㅂ | heavy | bag box furniture 노트북 | -
가볍다/ㅂ | light | bag clothes 노트북 카메라 우산 shoes | +
맛있다 | delicious | fruit vegetable snack dish drink | +
맵다/ㅂ | spicy | kimchi 라면 비빔밥 수프 | .
달다 | sweet | fruit 쿠키 초콜릿 케이크 아이스크림 주스 | .
짜다 | salty | 수프 라면 생선 피자 김치 | -
뜨겁다/ㅂ | hot | hotdrink 수프 라면 우유 | .
차갑다/ㅂ | cold | colddrink | .
어렵다/ㅂ | difficult | book problem text poem talk plan | -
쉽다/ㅂ | easy | 교과서 problem talk 퍼즐 | +
재미있다 | interesting | book film game talk text 수업 여행 퍼즐 | +
지루하다 | boring | book film game talk text 회의 수업 | -
슬프다 | sad | film song poem 소설 | .
유명하다 | famous | book film song 식당 카페 빵집 박물관 호텔 city 의사 가수 화가 요리사 배우 작가 변호사 그림 | .
중요하다 | important | mail text event appointment plan 문제 | .
길다 | long | mail text film 치마 코트 bridge 소설 | .
짧다 | short | mail text 치마 시 소설 기사 | .
두껍다/ㅂ | thick | book dictionary 스웨터 코트 양말 | .
얇다 | thin | book 셔츠 스웨터 재킷 양말 | .
깨끗하다 | clean | room clothes dishware 식당 호텔 역 해변 화장실 | +
더럽다/ㅂ | dirty | room clothes dishware shoes 식당 해변 창문 | -
조용하다 | quiet | study 방 거실 사무실 정원 카페 공원 호텔 미술관 | +
시끄럽다/ㅂ | noisy | 시장 식당 카페 교실 역 사무실 놀이터 car | -
넓다 | spacious | room 공원 도서관 체육관 호텔 수영장 | +
좁다 | narrow | 방 부엌 화장실 다리 가게 사무실 | -
높다 | high | height 다리 | .
빨갛다/ㅎ | red | clothes bag hat flower 자동차 fruit | .
파랗다/ㅎ | blue | clothes bag hat 자동차 우산 bike | .
하얗다/ㅎ | white | clothes bag hat shoes flower 자동차 pet dishware | .
까맣다/ㅎ | black | clothes bag hat shoes 우산 car pet | .
노랗다/ㅎ | yellow | clothes 우산 flower bag | .
편하다 | comfortable | clothes shoes furniture 호텔 | +
따뜻하다 | warm | clothes 양말 부츠 방 거실 수프 우유 | +
빠르다/르 | fast | car bike 컴퓨터 노트북 기차 지하철 말 개 | +
느리다 | slow | 컴퓨터 노트북 버스 기차 자전거 | -
안전하다 | safe | city bridge 놀이터 자동차 | +
위험하다 | dangerous | bridge 오토바이 칼 바다 | -
귀엽다/ㅂ | cute | pet 돼지 오리 | +
친절하다 | kind | person | +
똑똑하다 | smart | person 개 앵무새 | +
게으르다/르 | lazy | person 고양이 | -
부지런하다 | diligent | person | +
바쁘다 | busy | person | -
피곤하다 | tired | person | -
아프다 | sick | person 강아지 고양이 | -
행복하다 | happy | person | +
건강하다 | healthy | person pet | +
배고프다 | hungry | person 강아지 고양이 | -
심심하다 | bored | person | -
외롭다/ㅂ | lonely | person | -
젊다 | young | role | .
"""
FIXED_ATTRIBUTES = """
새 | new | book dictionary clothes shoes hat bag jewelry umbrella device furniture dishware car bike song film plan 도서관 건물 \
호텔 eyewear
오래된 | old | book clothes bag jewelry device furniture car bike song film 도서관 건물 그림 bridge tree 호텔 서점 극장
"""

# Fixed phrases: Korean | English with the Korean word(s) that each English word goes with | extra
TIMES_PRESENT = """
매일 | every:0 day:0
아침마다 | every:0 morning:0
저녁마다 | every:0 evening:0
주말마다 | every:0 weekend:0
월요일마다 | every:0 Monday:0
토요일마다 | every:0 Saturday:0
아침에 | in:0 the:0 morning:0
오후에 | in:0 the:0 afternoon:0
저녁에 | in:0 the:0 evening:0
밤에 | at:0 night:0
"""
TIMES_PAST = """
어제 | yesterday:0
그저께 | the:0 day:0 before:0 yesterday:0
어젯밤에 | last:0 night:0
지난 일요일에 | last:0 Sunday:1
어제 아침에 | yesterday:0 morning:1
오늘 아침에 | this:0 morning:1
"""
TIMES_FUTURE = """
내일 | tomorrow:0
모레 | the:0 day:0 after:0 tomorrow:0
다음 토요일에 | next:0 Saturday:1
내일 아침에 | tomorrow:0 morning:1
내일 저녁에 | tomorrow:0 evening:1
오늘 저녁에 | this:0 evening:1
"""
TIMES_FAR_PAST = """
지난주에 | last:0 week:0
지난달에 | last:0 month:0
작년에 | last:0 year:0
"""
TIMES_FAR_FUTURE = """
다음 주에 | next:0 week:1
다음 달에 | next:0 month:1
내년에 | next:0 year:0
"""
DAYS = "월요일 Monday; 화요일 Tuesday; 수요일 Wednesday; 목요일 Thursday; 금요일 Friday; 토요일 Saturday; 일요일 Sunday"
HOURS = "한 one; 두 two; 세 three; 네 four; 다섯 five; 여섯 six; 일곱 seven; 여덟 eight; 아홉 nine; 열 ten; 열한 eleven; 열두 twelve"
NUMBERS = "두 two; 세 three; 네 four; 다섯 five; 여섯 six; 일곱 seven; 여덟 eight; 아홉 nine; 열 ten"
FREQUENCIES = """
자주 | often:0
항상 | always:0
가끔 | sometimes:0
보통 | usually:0
"""
MANNERS = """
열심히 | hard:0 | 일하다 공부하다 연습하다 운동하다
천천히 | slowly:0 | 읽다 먹다 마시다 걷다 운전하다 붓다 젓다 설명하다
빨리 | quickly:0 | 끝내다 옮기다 먹다 청소하다 고치다 돌아오다 뛰다 자르다
조용히 | quietly:0 | 읽다 쉬다 울다 웃다 앉다 기다리다 놀다
일찍 | early:0 | 자다 출발하다 도착하다 오다 돌아오다 끝내다
늦게 | late:0 | 자다 출발하다 도착하다 오다 돌아가다 돌아오다
다시 | again:0 | 읽다 쓰다 설명하다 전화하다 확인하다 보다 보내다 방문하다 닦다 씻다 연습하다
깨끗이 | thoroughly:0 | 씻다 닦다 청소하다
"""
DEGREES = {"+": "아주 very:0; 정말 really:0", "-": "아주 very:0; 정말 really:0; 조금 a:0 little:0; 너무 too:0"}
PASSING_STATES = "바쁘다 피곤하다 아프다 행복하다 배고프다 심심하다 외롭다"
ANTONYMS = (
    "쉽다 어렵다; 비싸다 싸다; 재미있다 지루하다; 깨끗하다 더럽다; 조용하다 시끄럽다; 넓다 좁다; 빠르다 느리다; 안전하다 위험하다; \
무겁다 가볍다; 부지런하다 게으르다; 행복하다 외롭다; 비싸다 쉽다"
)

# Tags of things that have an owner.
POSSESSED = "book dictionary mail poem text clothes shoes hat eyewear bag jewelry key umbrella device furniture box \
dishware knife gift picture car bike pet plan appointment problem"

# Acts that one person may well do one after the other.
THEMES = """
먹다 마시다 요리하다 굽다 만들다 주문하다 자르다 붓다 씻다
읽다 쓰다 번역하다 공부하다 풀다 확인하다 설명하다 배우다 끝내다
사다 고르다 쇼핑하다 만나다 먹다 마시다 주문하다
산책하다 뛰다 수영하다 놀다 찍다 그리다 부르다 춤추다 치다 하다 운동하다 타다 오르다 쉬다 마시다
청소하다 닦다 씻다 옮기다 고치다 쉬다 자다 보다 듣다 전화하다 버리다 열다 켜다 끄다 닫다
연주하다 연습하다 가르치다 배우다 듣다 부르다 보다
도착하다 만나다 기다리다 사다 먹다 쉬다 찍다 마시다
준비하다 초대하다 보내다 주다 받다 만나다 전화하다 보여주다
"""

# What one may do while doing something else.
MEANWHILE = """
듣다 * | 읽다 쓰다 그리다 씻다 닦다 청소하다 공부하다 일하다 걷다 요리하다 운전하다 뛰다 운동하다 산책하다
커피 마시다; 녹차 마시다; 홍차 마시다; 주스 마시다; 우유 마시다; 콜라 마시다; 물 마시다 | 읽다 쓰다 공부하다 일하다 보다 확인하다 번역하다 풀다
부르다 * | 그리다 씻다 닦다 청소하다 걷다 요리하다 산책하다 춤추다
텔레비전 보다; 드라마 보다; 영화 보다; 뉴스 보다 | 먹다 마시다 쉬다 운동하다
"""

# Tastes are contrasted within one of these.
DOMAINS = ["fruit vegetable snack dish drink", "animal pet", "ball racket", "language subject", "film sound", "flower"]

# Why people do what they do: a state, and the actions (verb and complements, `*` for any) that it explains.
REASONS = """
피곤하다 | 쉬다 *; 자다 *; 커피 마시다; 택시 타다; 홍차 마시다; 집 돌아가다; 집 가다; 소파 눕다; 침대 눕다
아프다 | 병원 가다; 약국 가다; 쉬다 *; 약 먹다; 집 돌아가다; 침대 눕다; 자다 *; 약속 취소하다
배고프다 | 먹다 dish; 먹다 snack; 먹다 fruit; 먹다 meal; 주문하다 dish; 주문하다 snack; 식당 가다; 빵집 가다; 요리하다 *; 굽다 *; 샌드위치 만들다; 비빔밥 만들다
심심하다 | 보다 *; 듣다 *; 공원 가다; 영화관 가다; 놀다 *; 그림 그리다; 산책하다 *; 만화책 읽다; 소설 읽다; 쇼핑하다 *; 치다 *
바쁘다 | 택시 타다; 여행 취소하다; 약속 취소하다; 파티 취소하다; 약속 잊어버리다; 회의 취소하다
행복하다 | 웃다 *; 춤추다 *; 노래 부르다
외롭다 | 울다 *; 전화하다 *; 고양이 키우다; 개 키우다; 강아지 키우다; 편지 쓰다; 만나다 *; 앵무새 키우다; 토끼 키우다
"""

# Weather: Korean with the forms of its predicate's stem | English "it rains" or "the weather is cold" | what follows
WEATHER = """
비가 오다 | it:1 {rain}:01 | 우산 사다; 우산 빌리다; 쉬다 *; 택시 타다; 버스 타다; 읽다 *; 보다 *; 경기 취소하다; 여행 취소하다; 지하철 타다
눈이 오다 | it:1 {snow}:01 | 부츠 신다; 코트 입다; 쉬다 *; 지하철 타다; 마시다 hotdrink; 보다 *; 여행 취소하다; 사진 찍다
날씨가 춥다/ㅂ | the:0 weather:0 {be}:1 cold:1 | 스웨터 입다; 코트 입다; 재킷 입다; 코트 사다; 마시다 hotdrink; 수프 먹다; \
    창문 닫다; 문 닫다; 부츠 신다; 양말 신다; 수프 만들다
날씨가 덥다/ㅂ | the:0 weather:0 {be}:1 hot:1 | 수영하다 *; 아이스크림 먹다; 마시다 colddrink; 창문 열다; 문 열다; 에어컨 켜다; \
    바다 가다; 수영장 가다; 코트 벗다; 재킷 벗다; 스웨터 벗다; 아이스크림 사다
날씨가 좋다 | the:0 weather:0 {be}:1 good:1 | 산책하다 *; 걷다 *; 자전거 타다; 놀다 *; 뛰다 *; 공원 가다; 축구 하다; 오르다 *; 사진 찍다
"""

# Where things lie: what is there | on, in or by what
LOCATIONS = """
위 | on:1 | 책상 의자 침대 소파 식탁
안 | in:1 | 가방 상자 바구니 방
아래 | under:1 | 책상 의자 침대 소파 식탁 나무
옆 | next:1 to:1 | 책상 의자 침대 소파 식탁 나무 상자
"""
THINGS_INSIDE = "book dictionary fruit belonging umbrella hat dishware gift picture knife paper"


@dataclass(frozen=True, slots=True, eq=False)
class Noun:
    """Whatever a noun phrase is built on: a thing, a place, a person or a pronoun.

    Attributes:
        kind: a letter of the table's kinds (c, m, p, t, z, i), or place, bare (a place without article), name, kin
            (he, she: kin whose pronoun is known), role, pronoun.
        number: the agreement of a verb with this subject: I, we, it or they.
    """

    korean: str
    english: tuple[str, ...]
    plural: tuple[str, ...]
    kind: str
    tags: frozenset[str]
    counter: str = ""
    measure: str = ""
    preposition: str = ""
    number: str = "it"


@dataclass(frozen=True, slots=True, eq=False)
class Verb:
    """A row of VERBS: one verb in one sense, with what it selects."""

    lemma: str
    irregular: str
    base: tuple[str, ...]
    past: tuple[str, ...]
    particle: str
    preposition: str
    complements: tuple[Noun, ...]
    places: tuple[Noun, ...]
    flags: frozenset[str]

    @property
    def stem(self) -> str:
        return self.lemma[:-1]


@dataclass(frozen=True, slots=True, eq=False)
class Adjective:
    """A row of ADJECTIVES or FIXED_ATTRIBUTES; the latter have an empty stem."""

    lemma: str
    stem: str
    attributive: str
    irregular: str
    english: str
    nouns: tuple[Noun, ...]
    value: str


@dataclass(frozen=True)
class Lexicon:
    """All words, parsed."""

    nouns: dict[str, Noun]
    people: tuple[Noun, ...]
    verbs: tuple[Verb, ...]
    adjectives: tuple[Adjective, ...]
    attributes: dict[Noun, tuple[Adjective, ...]]


def add_s(word: str) -> str:
    """The plural of a regular noun, or the third person of a regular verb."""
    if word == "have":
        return "has"
    if word.endswith(("s", "x", "z", "ch", "sh", "do", "go")):
        return word + "es"
    return word[:-1] + "ies" if word.endswith("y") and word[-2] not in "aeiou" else word + "s"


def add_ed(word: str) -> str:
    """The past of a regular verb."""
    if word.endswith("e"):
        return word + "d"
    return word[:-1] + "ied" if word.endswith("y") and word[-2] not in "aeiou" else word + "ed"


def add_ing(word: str) -> str:
    """The -ing form of a verb; the few that double their consonant are listed."""
    if word == "lie":
        return "lying"
    if word in {"cut", "run", "swim", "sit", "shop", "stir"}:
        return word + word[-1] + "ing"
    return word[:-1] + "ing" if word.endswith("e") else word + "ing"


def article(word: str) -> str:
    """The indefinite article before this word, by its sound."""
    return "an" if word[0] in "aeiou" and not word.startswith("uni") else "a"


def rows(table: str) -> list[list[str]]:
    """The cells of a table whose lines read `cell | cell | ...`."""
    return [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]


def _groups(table: str) -> Iterator[tuple[list[str], str, str]]:
    for line in table.strip().splitlines():
        head, _, items = line.partition(":")
        for item in items.split(";"):
            korean, _, english = item.strip().partition(" ")
            yield head.split(), korean, english


def _thing(head: list[str], korean: str, english: str) -> Noun:
    tags, kind, counted = head
    counter, _, measure = counted.partition("=")
    singular, _, plural = english.partition("/")
    words = tuple(singular.split())
    plurals = tuple(plural.split()) or ((*words[:-1], add_s(words[-1])) if kind != "p" else words)
    counter = "" if counter == "-" else counter
    number = "they" if kind == "p" else "it"
    return Noun(korean, words, plurals, kind, frozenset(tags.split(",")), counter, measure, number=number)


def _place(head: list[str], korean: str, english: str) -> Noun:
    kind = {"=": "proper", "~": "bare"}.get(english[0], "place")
    words = tuple(english.lstrip("=~").split())
    return Noun(korean, words, words, kind, frozenset(head[0].split(",")), preposition=head[1])


def _person(head: list[str], korean: str, english: str) -> Noun:
    words = tuple(english.split())
    return Noun(korean, words, (*words[:-1], add_s(words[-1])), head[0], frozenset({"person", head[0]}))


def _crowd(korean: str, english: str, kind: str, number: str) -> Noun:
    words = tuple(english.split())
    return Noun(korean, words, words, kind, frozenset(), number=number)


# 저 and 우리 change before particles; `phrases.subject_phrase` does it. The listener is never said.
SPEAKER, GROUP = _crowd("저", "I", "pronoun", "I"), _crowd("우리", "we", "pronoun", "we")
LISTENER = _crowd("당신", "you", "pronoun", "you")
CROWDS = (
    _crowd("학생들", "students", "role", "they"),
    _crowd("아이들", "children", "role", "they"),
    _crowd("친구들", "friends", "kin", "they"),
)


def _selected(words: str, nouns: dict[str, Noun], by_tag: dict[str, list[Noun]]) -> tuple[Noun, ...]:
    """The nouns that a cell names, one by one or by tag."""
    found: list[Noun] = []
    for word in words.split():
        if word != "-":
            found += by_tag[word] if word in by_tag else [nouns[word]]
    return tuple(dict.fromkeys(found))


def _verb(row: list[str], nouns: dict[str, Noun], by_tag: dict[str, list[Noun]]) -> Verb:
    korean, english, case, complements, places, flags = row
    lemma, _, irregular = korean.partition("/")
    particle, _, preposition = case.partition(":")
    words = english.split()
    half = (len(words) + 1) // 2
    base, past = tuple(words[:half]), tuple(words[half:]) or (add_ed(words[0]),)
    objects, locations = (_selected(cell, nouns, by_tag) for cell in (complements, places))
    return Verb(lemma, irregular, base, past, particle, preposition, objects, locations, frozenset(flags.split()))


def _adjective(row: list[str], nouns: dict[str, Noun], by_tag: dict[str, list[Noun]]) -> Adjective:
    korean, english, described, value = row
    lemma, _, irregular = korean.partition("/")
    stem = lemma[:-1]
    attributive = with_neun(stem) if stem.endswith("있") else with_final_ending(stem, "ㄴ", irregular)
    return Adjective(lemma, stem, attributive, irregular, english, _selected(described, nouns, by_tag), value)


@cache
def words() -> Lexicon:
    """The lexicon, parsed when first needed (a few milliseconds)."""
    people = [_person(*entry) for entry in _groups(PEOPLE)]
    entries = [_thing(*entry) for entry in _groups(NOUNS)] + [_place(*entry) for entry in _groups(PLACES)] + people
    nouns = {noun.korean: noun for noun in entries}
    assert len(nouns) == len(entries), "a noun stands twice in the tables"
    by_tag: dict[str, list[Noun]] = {}
    for noun in entries:
        for tag in noun.tags:
            by_tag.setdefault(tag, []).append(noun)
    verbs = tuple(_verb(row, nouns, by_tag) for row in rows(VERBS))
    adjectives = tuple(_adjective(row, nouns, by_tag) for row in rows(ADJECTIVES))
    fixed = [
        Adjective(korean, "", korean, "", english, _selected(described, nouns, by_tag), ".")
        for korean, english, described in rows(FIXED_ATTRIBUTES)
    ]
    attributes: dict[Noun, tuple[Adjective, ...]] = {}
    for adjective in (*adjectives, *fixed):
        for noun in adjective.nouns:
            attributes[noun] = (*attributes.get(noun, ()), adjective)
    return Lexicon(nouns, (SPEAKER, GROUP, *people, *CROWDS), verbs, adjectives, attributes)
